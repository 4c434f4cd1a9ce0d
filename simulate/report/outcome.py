"""The final evaluation as figures: by label, and by group of the test set."""

from fl_common.vocabulary import Task
from models.evaluation import Predictions
from simulate.report.confusion import confusion_of
from simulate.report.results import Outcome
from simulate.world import TestSet


def outcome_of(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    """What ``predictions`` on ``test`` come to."""
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
    )
