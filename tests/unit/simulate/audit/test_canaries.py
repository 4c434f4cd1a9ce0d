"""Canaries: fair coins, and windows that stand out."""

from dataclasses import replace

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from simulate.audit.canaries import draw_canaries
from tests.support import samples
from tests.support.chance import SIGMAS

TASK = replace(
    samples.TASK, channels=("x",), units=("g",), window_shape=(1000, 1), center=(0.5,), scale=(2.0,)
)


def test_coins_are_fair_and_their_own() -> None:
    drawn = [
        draw_canaries("dirac", TASK, 1000, 30.0, np.random.default_rng(seed)) for seed in range(40)
    ]
    coins = np.array([canaries.included_M for canaries in drawn])
    assert abs(coins.mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(coins.size)
    by_label = [c.included_M[c.windows.labels == 0].mean() for c in drawn]
    assert abs(np.mean(by_label) - 0.5) < 0.02


@pytest.mark.parametrize("kind", ["dirac", "noise"])
def test_a_canary_stands_out_by_the_amplitude_in_the_tasks_scale(kind: str) -> None:
    drawn = draw_canaries(kind, TASK, 30, 5.0, np.random.default_rng(1)).windows
    normalised = (drawn.values - TASK.center[0]) / TASK.scale[0]
    if kind == "dirac":
        assert np.array_equal(np.sort(normalised.reshape(30, -1), axis=1)[:, -2:], [[0, 5]] * 30)
        places = normalised.reshape(30, -1).argmax(1)
        assert len(set(places.tolist())) == 30
    else:
        assert np.std(normalised) == pytest.approx(5.0, rel=0.05)


def test_canaries_of_one_reading_differ_in_their_label() -> None:
    task = replace(TASK, window_shape=(4, 1))
    drawn = draw_canaries("dirac", task, 8, 30.0, np.random.default_rng(1)).windows
    places = drawn.values.reshape(8, -1).argmax(1)
    assert len({*zip(places.tolist(), drawn.labels.tolist(), strict=True)}) == 8


@pytest.mark.parametrize(
    ("kind", "count", "amplitude", "match"),
    [
        ("owl", 10, 1.0, "must be dirac or noise"),
        ("dirac", 1, 1.0, "from 2"),
        ("dirac", 2001, 1.0, "Lower it to 2000"),
        ("noise", 10, 0.0, "above 0"),
    ],
)
def test_canaries_that_can_not_be_made_are_refused(
    kind: str, count: int, amplitude: float, match: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=match):
        draw_canaries(kind, TASK, count, amplitude, np.random.default_rng(1))
