"""The final evaluation as figures: by label, and by group of the test set."""

from dataclasses import replace

import numpy as np

from fl_common.vocabulary import Task
from models.evaluation import Predictions
from models.kinds import ANOMALY, FORECAST, MULTILABEL, kind_of, learns_scores
from simulate.report.confusion import confusion_of
from simulate.report.results import Outcome
from simulate.world import TestSet

_REMEDY = "Try more rounds, more windows or another training.learning_rate"
_REMEDIES = {
    FORECAST: "Try longer windows or more rounds; some series can't be told ahead",
    ANOMALY: "What it learnt of normal windows does not set anomalies apart: try more windows, more"
    " rounds or net=one_class",
}
_UNDER_DP = "Under DP few windows may drown in the noise: try more sites, or a larger epsilon"
_DRAWN = 4
"""Forecasts that the report draws."""
_SHOWN = 2000
"""Windows that the report draws, at least, where there are as many."""


def outcome_of(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    """What ``predictions`` on ``test`` come to."""
    return replace(_outcome_of(predictions, test, task), guess=predictions.guess)


def _outcome_of(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    if task.labels:
        return _of_labels(predictions, test, task)
    if task.kind.name == FORECAST:
        return _of_forecasts(predictions, test)
    if task.kind.name == MULTILABEL:
        return replace(_without_labels(predictions, test), sums=predictions.sums)
    return _of_scores(predictions, test) if learns_scores(task) else _of_numbers(predictions, test)


def metrics_of(outcome: Outcome, task: Task) -> dict[str, float]:
    """What is published with the model: measures, loss, and what a guess reaches."""
    guess = outcome.guess.metrics(kind_of(task)) if outcome.guess else {}
    return {**outcome.measures, "loss": outcome.loss, **guess}


def doubts_of(outcome: Outcome, task: Task, *, is_noised: bool) -> tuple[str, ...]:
    """What a person should know of a model that is no better than a guess, and what to try."""
    kind, guess = kind_of(task), outcome.guess
    if guess is None or not guess.reaches(kind, outcome.measures):
        return ()
    first = kind.measures[0]
    own, other = (first.shown(each[first.name]) for each in (outcome.measures, guess.measures))
    return (
        f"the model is no better than {guess.says}: {first.title} {own}, and {other} by that."
        f" {_REMEDIES.get(task.kind.name, _REMEDY)}{f'. {_UNDER_DP}' if is_noised else ''}",
    )


def _of_numbers(predictions: Predictions, test: TestSet) -> Outcome:
    truth_N, named_N = predictions.truth_N, predictions.predicted_N
    shown = slice(None, None, max(1, len(truth_N) // _SHOWN))
    pairs_2N = np.stack([truth_N[shown], named_N[shown]]).astype(np.float64)
    return replace(_without_labels(predictions, test), pairs_2N=pairs_2N)


def _of_forecasts(predictions: Predictions, test: TestSet) -> Outcome:
    told_N = predictions.predicted_N
    shown = np.linspace(0, len(told_N) - 1, min(_DRAWN, len(told_N))).astype(np.int64)
    past_MCT = test.windows.values[shown].transpose(0, 2, 1)
    came_MCH = predictions.truth_N[shown][:, :, -told_N.shape[2] :]
    drawn = (past_MCT, came_MCH, told_N[shown])
    return replace(_without_labels(predictions, test), sums=predictions.sums, forecasts=drawn)


def _of_scores(predictions: Predictions, test: TestSet) -> Outcome:
    threshold = float(predictions.predicted_N[0, 1])
    outcome = _without_labels(predictions, test)
    return replace(outcome, sums=predictions.sums, threshold=threshold)


def _without_labels(predictions: Predictions, test: TestSet) -> Outcome:
    kind, truth_N, named_N = predictions.kind, predictions.truth_N, predictions.predicted_N
    first = kind.measures[0].name
    no_labels = np.empty(0, np.int64)
    return Outcome(
        accuracy=None,
        loss=predictions.loss,
        per_class_accuracy={},
        confusion=confusion_of(no_labels, no_labels, 0),
        accuracy_of_group={},
        measures=predictions.measures,
        measure_of_group={
            group: kind.measured(kind.sums(truth_N[own_N], named_N[own_N]))[first]
            for index, group in enumerate(test.groups)
            if (own_N := test.group_of == index).any()
        },
    )


def _of_labels(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    confusion = confusion_of(predictions.truth_N, predictions.predicted_N, len(task.labels))
    right_K, total_K = confusion.right_K, confusion.total_K
    right_N = predictions.truth_N == predictions.predicted_N
    return Outcome(
        accuracy=predictions.measures["accuracy"],
        loss=predictions.loss,
        per_class_accuracy={
            label: float(right_K[k] / total_K[k])
            for k, label in enumerate(task.labels)
            if total_K[k]
        },
        confusion=confusion,
        accuracy_of_group={
            group: float(right_N[test.group_of == index].mean())
            for index, group in enumerate(test.groups)
            if (test.group_of == index).any()
        },
        measures=predictions.measures,
    )
