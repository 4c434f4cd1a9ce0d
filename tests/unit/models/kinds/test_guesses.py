"""Each kind has a guess that needs no window, and a model is measured beside it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_common.vocabulary import KindSpec, Task, Windows
from models.evaluation import Predictions
from models.kinds import KINDS, kind_of
from models.kinds.anomaly import anomaly
from models.kinds.forecast import forecast
from models.kinds.guesses import Guess
from models.kinds.multilabel import multilabel
from models.kinds.regression import regression
from simulate.report.outcome import doubts_of, outcome_of
from simulate.world import TestSet
from tests.support import samples

SHAPE = (8, len(samples.TASK.channels))
BARE = replace(samples.TASK, labels=(), window_shape=SHAPE)
TASKS: Mapping[str, Task] = {
    "classification": replace(samples.TASK, labels=("a", "b", "c")),
    "regression": replace(BARE, kind=regression(0, 10, "Cel", None)),
    "forecast": replace(BARE, kind=forecast(3)),
    "anomaly": replace(BARE, kind=anomaly(None)),
    "multilabel": replace(BARE, kind=multilabel(["a", "b"])),
    "sequence": replace(BARE, labels=("a", "b"), kind=KindSpec.of("sequence")),
}
EXPECTED = {
    "classification": 12 / 20,
    "regression": (14 * 1.8 + 6 * 4.2) / 20,
    "forecast": 1.0,
    "anomaly": 0.5,
    "multilabel": (2 * 10 / 30 + 2 * 9 / 29) / 2,
    "sequence": 6 / 8,
}
"""The guess's first measure, of ``truth_of``."""


def truth_of(name: str) -> NDArray[Any]:
    labels_N = np.repeat([0, 1, 2], [12, 6, 2])
    if name == "classification":
        return labels_N
    if name == "regression":
        return np.repeat([2.0, 8.0], [14, 6])
    if name == "anomaly":
        return (labels_N > 1).astype(np.int64)
    if name == "multilabel":
        return np.repeat([0, 1, 2, 3], [7, 4, 3, 6])
    if name == "sequence":
        return np.tile(np.repeat([0, 1], [6, 2]), (20, 1))
    drawn: NDArray[Any] = kind_of(TASKS[name]).drawn(20, np.random.default_rng(0))
    return drawn


def predictions(name: str, predicted_N: NDArray[Any]) -> Predictions:
    losses_N = np.zeros(20, np.float32)
    return Predictions(kind_of(TASKS[name]), truth_of(name), predicted_N, losses_N)


def test_every_kind_is_among_these() -> None:
    assert {*TASKS} == {*EXPECTED} == {*KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_the_guess_has_the_figures_of_what_knows_no_window(name: str) -> None:
    guessed_N = kind_of(TASKS[name]).guessed(truth_of(name))
    found = predictions(name, guessed_N)
    first = found.kind.measures[0].name
    assert found.guess.measures[first] == found.measures[first]
    assert found.measures[first] == pytest.approx(EXPECTED[name], rel=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_a_run_says_so_where_its_model_is_no_better(name: str) -> None:
    kind, truth_N = kind_of(TASKS[name]), truth_of(name)
    for predicted_N, is_doubtful in ((kind.guessed(truth_N), True), (right(name, truth_N), False)):
        windows = Windows(
            np.zeros((20, *TASKS[name].window_shape), np.float32), truth_N,
            np.zeros(20, np.int64), ("r",),
        )  # fmt: skip
        test = TestSet(windows, np.zeros(20, np.int64), ("p",))
        outcome = outcome_of(predictions(name, predicted_N), test, TASKS[name])
        doubts = doubts_of(outcome, TASKS[name], is_noised=False)
        assert bool(doubts) == is_doubtful
        if doubts:
            assert f"no better than {kind.guess}" in doubts[0]
            assert "epsilon" not in doubts[0]
            assert "epsilon" in doubts_of(outcome, TASKS[name], is_noised=True)[0]


def right(name: str, truth_N: NDArray[Any]) -> NDArray[Any]:
    if name == "anomaly":
        return np.stack([0.1 + truth_N, np.full(20, 0.5)], 1)
    return truth_N[:, :, 2:] if name == "forecast" else truth_N


def test_a_rare_label_that_is_found_is_worth_more_than_no_mistakes() -> None:
    kind = kind_of(TASKS["classification"])
    guess = Guess(kind.guess, {"accuracy": 0.95, "balanced_accuracy": 0.5})
    assert guess.beats(kind, {"accuracy": 0.94, "balanced_accuracy": 0.55})
    assert not guess.beats(kind, {"accuracy": 0.94, "balanced_accuracy": 0.85})
    assert guess.reaches(kind, {"accuracy": 0.95, "balanced_accuracy": 0.5})
    assert not guess.beats(kind, {"accuracy": 0.95, "balanced_accuracy": 0.5})


def test_where_nothing_is_known_nothing_is_said() -> None:
    kind = kind_of(TASKS["anomaly"])
    assert not Guess(kind.guess, {"auroc": 0.5}).reaches(kind, {"auroc": float("nan")})
    assert not Guess(kind.guess, {"auroc": 0.5}).reaches(kind, {"auroc": None})
