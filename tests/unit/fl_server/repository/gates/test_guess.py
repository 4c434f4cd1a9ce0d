"""The accuracy gate refuses a model that is worse than a guess, and says than which."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_common.vocabulary import KindSpec, Task
from fl_server.repository.gates import GateFinding
from fl_server.repository.gates.guess import with_guess, worse_on_sites, worse_than_guess
from fl_server.rounds.counts import NoisedCounts
from models.kinds import Measure, kind_of
from models.kinds.anomaly import anomaly
from models.kinds.details import details_of
from models.kinds.forecast import forecast
from models.kinds.multilabel import multilabel
from models.kinds.regression import regression
from tests.support import samples

WINDOWS = 2000
BARE = replace(samples.TASK, labels=(), window_shape=(8, len(samples.TASK.channels)))
LABELS = replace(samples.TASK, labels=("a", "b"))
NUMBERS = replace(BARE, kind=regression(0, 10, "Cel", None))
QUANTILE = replace(BARE, kind=regression(0, 10, "Cel", 0.9))
SETS = replace(BARE, kind=multilabel(["a", "b", "c"]))
SCORES = replace(BARE, kind=anomaly(None))
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
    if task in (NUMBERS, QUANTILE):
        truth_N = generator.uniform(1, 9, WINDOWS)
        if task is QUANTILE:
            return truth_N, truth_N + 0.5 if good > 0 else 10 - truth_N
        return truth_N, 5 + good * (truth_N - 5)
    if task is SETS:
        truth_N = generator.integers(0, 8, WINDOWS)
        is_right_N = generator.random(WINDOWS) < (1 + good) / 2
        return truth_N, np.where(is_right_N, truth_N, 7 - truth_N)
    if task is SCORES:
        truth_N = generator.integers(0, 2, WINDOWS)
        score_N = np.exp(good * truth_N + generator.normal(0, 1, WINDOWS)) / 3
        return truth_N, np.stack([score_N, np.ones(WINDOWS)], 1)
    if task is AHEAD:
        truth_N = kind_of(task).drawn(WINDOWS, generator) / 10
        truth_N[:, :, 1] = 1
        return truth_N, good * truth_N[:, :, 2:]
    shape = (WINDOWS, 8) if task is READINGS else (WINDOWS,)
    label_N = generator.integers(0, 2, shape)
    is_right_N = generator.random(shape) < (1 + good) / 2
    return label_N, np.where(is_right_N, label_N, 1 - label_N)


EACH = {
    "labels": LABELS, "numbers": NUMBERS, "quantile": QUANTILE, "sets": SETS, "scores": SCORES,
    "ahead": AHEAD, "readings": READINGS,
}  # fmt: skip


@pytest.mark.parametrize("task", EACH.values(), ids=EACH)
def test_what_the_sites_count_tells_of_a_model_that_is_worse(task: Task) -> None:
    finding = worse_on_sites(counts(task, *some(task, -0.5)), task, 0.95)
    assert finding is not None
    assert not finding.passed
    assert f"worse than {kind_of(task).guess} (" in finding.detail
    good = counts(task, *some(task, 0.5))
    assert worse_on_sites(good, task, 0.95) is None
    told = with_guess(PASSED, good, task)
    assert f"; a guess has {measure_of(task).title} " in told.detail
    assert told.values["guess"] == pytest.approx(exact_guess(task), abs=0.02)
    hidden = counts(task, *some(task, -0.5), noise=WINDOWS)
    assert worse_on_sites(hidden, task, 0.95) is None
    untold = with_guess(PASSED, hidden, task)
    assert untold.detail == f"fine; of a guess nothing can be told: {FEW}"
    assert "guess" not in untold.values


PASSED, FEW = GateFinding(True, "fine"), "too few windows tell of it, beside the noise"


def measure_of(task: Task) -> Measure:
    kind, details = kind_of(task), details_of(task)
    assert details is not None
    return next(m for m in (*kind.measures, kind.on_sites) if m.name == details.guessed)


def exact_guess(task: Task) -> float:
    """What the kind itself says of its guess, by the measure that is told of sites."""
    kind, (truth_N, _) = kind_of(task), some(task, 0.5)
    guessed_N = kind.guessed(truth_N)
    if measure_of(task) == kind.on_sites:
        return kind.of_score(float(kind.scores(truth_N, guessed_N).mean()))
    return kind.measured(kind.sums(truth_N, guessed_N))[measure_of(task).name]


def test_counts_without_details_or_anomalies_tell_of_no_guess() -> None:
    bare = replace(counts(SETS, *some(SETS, 0.5)), details=())
    told = with_guess(PASSED, bare, SETS).detail
    assert told.endswith(
        "nothing can be told: the counts have no details (evaluation.details=true)"
    )
    truth_N, scored_N = some(SCORES, -0.5)
    unknown = counts(SCORES, np.zeros_like(truth_N), scored_N)
    assert worse_on_sites(unknown, SCORES, 0.95) is None
    assert with_guess(PASSED, unknown, SCORES).detail.endswith(FEW)
    assert with_guess(PASSED, None, SCORES) is PASSED


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
