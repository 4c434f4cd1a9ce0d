"""The accuracy gate refuses a model that is worse than a guess, and says than which."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_common.vocabulary import KindSpec, Task
from fl_server.repository.gates.guess import worse_on_sites, worse_than_guess
from fl_server.rounds.counts import NoisedCounts
from models.kinds import kind_of
from models.kinds.anomaly import anomaly
from models.kinds.details import details_of
from models.kinds.forecast import forecast
from models.kinds.regression import regression
from tests.support import samples

WINDOWS = 2000
BARE = replace(samples.TASK, labels=(), window_shape=(8, len(samples.TASK.channels)))
LABELS = replace(samples.TASK, labels=("a", "b"))
NUMBERS = replace(BARE, kind=regression(0, 10, "Cel", None))
AHEAD = replace(BARE, kind=forecast(3))
READINGS = replace(BARE, labels=("a", "b"), kind=KindSpec.of("sequence"))


def counts(
    task: Task, truth_N: NDArray[Any], predicted_N: NDArray[Any], noise: float = 0.0
) -> NoisedCounts:
    kind, details = kind_of(task), details_of(task)
    assert details is not None
    score = float(kind.scores(truth_N, predicted_N).sum())
    sums_M = details.sums(truth_N, predicted_N)
    return NoisedCounts("0" * 64, score, len(truth_N), noise, tuple(sums_M.tolist()))


def some(task: Task, good: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Truths, and predictions that are better the larger ``good``; -1: the contrary of right."""
    generator = np.random.default_rng(0)
    truth_N: NDArray[Any]
    if task is NUMBERS:
        truth_N = generator.uniform(1, 9, WINDOWS)
        return truth_N, 5 + good * (truth_N - 5)
    if task is AHEAD:
        truth_N = kind_of(task).drawn(WINDOWS, generator) / 10
        truth_N[:, :, 1] = 1
        return truth_N, good * truth_N[:, :, 2:]
    shape = (WINDOWS, 8) if task is READINGS else (WINDOWS,)
    label_N = generator.integers(0, 2, shape)
    is_right_N = generator.random(shape) < (1 + good) / 2
    return label_N, np.where(is_right_N, label_N, 1 - label_N)


@pytest.mark.parametrize("task", [LABELS, NUMBERS, AHEAD, READINGS], ids=lambda t: t.kind.name)
def test_what_the_sites_count_tells_of_a_model_that_is_worse(task: Task) -> None:
    finding = worse_on_sites(counts(task, *some(task, -0.5)), task, 0.95)
    assert finding is not None
    assert not finding.passed
    assert f"worse than {kind_of(task).guess} (" in finding.detail
    assert worse_on_sites(counts(task, *some(task, 0.5)), task, 0.95) is None
    hidden = counts(task, *some(task, -0.5), noise=WINDOWS)
    assert worse_on_sites(hidden, task, 0.95) is None


def test_what_chance_explains_is_not_worse() -> None:
    truth_N, predicted_N = some(LABELS, -0.1)
    few = counts(LABELS, truth_N[:20], predicted_N[:20])
    assert worse_on_sites(few, LABELS, 0.95) is None


def published(auroc: float | None) -> dict[str, Any]:
    return {"auroc": auroc, "loss": 0.4, "guess_auroc": 0.5}


@pytest.mark.parametrize("auroc", [0.375, 0.49])
def test_scores_that_are_worse_than_one_for_all_are_refused(auroc: float) -> None:
    task = replace(BARE, kind=anomaly(None))
    finding = worse_than_guess(published(auroc), task)
    assert finding is not None
    assert not finding.passed
    assert f"AUROC {auroc:.3f}" in finding.detail
    assert "worse than giving each window the same score (0.500)" in finding.detail


@pytest.mark.parametrize("auroc", [0.5, 0.8, None])
def test_others_are_not(auroc: float | None) -> None:
    task = replace(BARE, kind=anomaly(None))
    assert worse_than_guess(published(auroc), task) is None
    assert worse_than_guess({"loss": 0.4}, task) is None  # a server's run has no test windows
    assert worse_than_guess({}, None) is None
