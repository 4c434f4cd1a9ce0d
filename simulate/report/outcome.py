"""The final evaluation as figures: by label, and by group of the test set."""

import numpy as np

from fl_common.vocabulary import Task
from models.evaluation import Predictions
from simulate.report.confusion import confusion_of
from simulate.report.results import Outcome
from simulate.world import TestSet

_SHOWN = 2000
"""Windows that the report draws, at least, where there are as many."""


def outcome_of(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    """What ``predictions`` on ``test`` come to."""
    return _of_labels(predictions, test, task) if task.labels else _of_numbers(predictions, test)


def doubts_of(outcome: Outcome) -> tuple[str, ...]:
    """What a person should know of figures that are worse than a guess."""
    r2 = outcome.measures.get("r2")
    if r2 is None or r2 >= 0:
        return ()
    return (
        f"the model is worse than naming the mean of the test windows each time (R² {r2:.2g})."
        " Under DP few windows may drown in the noise: try net=logistic, more sites, more windows"
        " on each or a larger epsilon",
    )


def _of_numbers(predictions: Predictions, test: TestSet) -> Outcome:
    kind, truth_N, named_N = predictions.kind, predictions.truth_N, predictions.predicted_N
    first = kind.measures[0].name
    shown = slice(None, None, max(1, len(truth_N) // _SHOWN))
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
        pairs_2N=np.stack([truth_N[shown], named_N[shown]]).astype(np.float64),
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
