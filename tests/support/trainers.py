"""Every trainer, and cohorts to hold them to one contract."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_client.training import LocalTask, Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for
from fl_common.vocabulary import LocalUpdate, NetSpec, Windows
from models.nets import parameters_of
from tests.support import samples
from tests.unit.models.net_examples import labelled

MAKERS: dict[str, Callable[[], Trainer]] = {
    "opacus": OpacusTrainer,
    "cohort": lambda: CohortTrainer(64),
}
TRAINERS = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
QUIET = replace(samples.WINDOW_PRIVACY, noise_multiplier=1e-6, clip_norm=0.5)
"""DP without noise that could hide a difference."""

PRIVACIES = pytest.mark.parametrize("privacy", [samples.PUBLIC, QUIET], ids=["plain", "dp"])
MLP = NetSpec("models.nets.mlp.Mlp", {"hidden": [6, 5], "activation": "tanh"})


def cohort(plan: Any, counts: Sequence[int], round_: int = 2) -> list[LocalTask]:
    """Tasks of sites with so many windows each, all with the plan's fresh net."""
    parameters, task = parameters_of(net_for(plan)), plan.task
    tasks = []
    for place, count in enumerate(counts):
        values, labels = labelled(task, count, place)
        windows = Windows(values, labels, np.zeros(count, np.int64), ("day",))
        tasks.append(LocalTask(plan, f"site {place}", round_, parameters, windows))
    return tasks


def updates(trainer: Trainer, tasks: Sequence[LocalTask]) -> list[LocalUpdate]:
    answers = trainer.train(tasks)
    assert all(isinstance(answer, LocalUpdate) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, LocalUpdate)]


def assert_close(left: LocalUpdate, right: LocalUpdate, rtol: float, atol: float) -> None:
    """``atol`` is a share of the update's largest entry."""
    identity = ("site", "run", "round", "weight")
    assert [getattr(left, n) for n in identity] == [getattr(right, n) for n in identity]
    assert list(left.delta) == list(right.delta)
    largest = max(float(np.abs(array).max()) for array in right.delta.values())
    assert largest > 0
    for name, array in right.delta.items():
        assert left.delta[name].shape == array.shape
        assert left.delta[name].dtype == np.float32
        np.testing.assert_allclose(
            left.delta[name], array, rtol=rtol, atol=atol * largest, err_msg=name
        )
