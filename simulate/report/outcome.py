"""The final evaluation as figures: by label, and by group of the test set."""

from fl_common.vocabulary import Task
from models.evaluation import Predictions
from simulate.report.results import Outcome
from simulate.world import TestSet


def outcome_of(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    """What ``predictions`` on ``test`` come to."""
    confusion_KK = predictions.sums
    totals_K = confusion_KK.sum(1)
    right_N = predictions.truth_N == predictions.predicted_N
    return Outcome(
        accuracy=predictions.measures["accuracy"],
        loss=predictions.loss,
        per_class_accuracy={
            label: float(confusion_KK[k, k] / totals_K[k])
            for k, label in enumerate(task.labels)
            if totals_K[k]
        },
        confusion_KK=confusion_KK,
        accuracy_of_group={
            group: float(right_N[test.group_of == index].mean())
            for index, group in enumerate(test.groups)
            if (test.group_of == index).any()
        },
    )
