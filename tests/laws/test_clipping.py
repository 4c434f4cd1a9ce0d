"""The law behind DP-SGD: one window, whatever it holds, moves a sum by at most the clip norm.

Abadi et al. 2016, algorithm 1: the sensitivity of the sum is what the noise is scaled by.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.training import Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_common.privacy.grid import LEEWAY
from fl_common.vocabulary import NetSpec, Windows
from tests.support import samples
from tests.support.neighbours import clipped_sums, with_window
from tests.unit.models.net_examples import MOTION, readings, spec_of

CLIP_NORM = 0.5
PRIVACY = replace(
    samples.WINDOW_PRIVACY, clip_norm=CLIP_NORM, noise_multiplier=1e-6, sampling_rate=1.0, steps=1
)
NETS = {
    "logistic": spec_of("logistic"),
    "mlp": spec_of("mlp"),
    "cnn1d": NetSpec(
        "models.nets.cnn1d.Cnn1d",
        {"widths": [4, 8], "kernel": 5, "norm": "group", "groups": 2, "activation": "relu"},
    ),
    "gru": spec_of("gru", hidden=6),
}
TRAINERS: dict[str, Trainer] = {"opacus": OpacusTrainer(), "cohort": CohortTrainer(64)}


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
@settings(max_examples=20)
@given(
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3, 1e6]),
    label=st.integers(0, len(MOTION.labels) - 1),
    place=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_one_window_more_moves_the_sum_by_the_clip_norm_at_most(
    trainer: Trainer, net: NetSpec, scale: float, label: int, place: int, seed: int
) -> None:
    plan = samples.plan(PRIVACY, {"learning_rate": 1.0}, task=MOTION, net=net)
    labels = np.random.default_rng(seed).integers(0, len(MOTION.labels), 12)
    fewer = Windows(readings(MOTION, 12, seed), labels, np.zeros(12, np.int64), ("day",))
    odd = np.float32(scale) * readings(MOTION, 1, seed + 100)[0]
    more = with_window(fewer, odd, label, place)
    without, with_one = clipped_sums(trainer, plan, [fewer, more])
    assert np.linalg.norm(with_one - without) <= 1.001 * CLIP_NORM


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_a_steep_window_moves_the_sum_by_just_the_clip_norm(trainer: Trainer) -> None:
    plan = samples.plan(PRIVACY, {"learning_rate": 1.0}, task=MOTION, net=NETS["logistic"])
    fewer = Windows(readings(MOTION, 12), np.zeros(12, np.int64), np.zeros(12, np.int64), ("day",))
    more = with_window(fewer, readings(MOTION, 1, 1)[0], 2, 5)
    without, with_one = clipped_sums(trainer, plan, [fewer, more])
    assert np.linalg.norm(with_one - without) == pytest.approx(CLIP_NORM * (1 - LEEWAY), rel=1e-4)
