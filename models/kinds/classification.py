"""A label for each window."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Floats, Integers, Task
from models.kinds.protocol import LABELS, Measure, Truth

if TYPE_CHECKING:
    import torch


class Classification:
    """One of the task's labels: softmax of logits, and cross-entropy in nats.

    A window is labelled with the label's index, which is the target, too. Accuracy hides a rare
    label that is never named: balanced accuracy and macro F1 stand beside it.
    """

    truth, ahead = Truth.LABEL, 0
    answer = "probabilities"
    span = 1.0
    score_steps = 1
    pace = LABELS
    guess = "naming the most frequent label each time"
    loss_name = "Mean cross-entropy in nats"
    measures = (
        Measure("accuracy", "accuracy", True),
        Measure("balanced_accuracy", "balanced accuracy", True),
        Measure("macro_f1", "macro F1", True),
    )

    def __init__(self, task: Task) -> None:
        self.outputs = len(task.labels)
        self.guess_loss = float(np.log(max(2, self.outputs)))
        self.columns, self._name = task.labels, task.name

    @property
    def on_sites(self) -> Measure:
        """The first measure."""
        return self.measures[0]

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """The most frequent label."""
        return np.full_like(truth_N, np.bincount(truth_N.ravel()).argmax())

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        lowest, highest = int(labels_N.min()), int(labels_N.max())
        if lowest >= 0 and highest < self.outputs:
            return None
        rule = f"must lie in 0..{self.outputs - 1}, the labels of task {self._name}"
        return f"labels from {lowest} to {highest}", rule

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``."""
        return np.asarray((labels_N >= 0) & (labels_N < self.outputs))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """The labels."""
        return np.asarray(labels_N, np.int64)

    def targets(self, labels_N: NDArray[Any]) -> NDArray[np.int64]:
        """The labels' indices (N,)."""
        return np.array(labels_N, dtype=np.int64)

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """Labels, each as likely as any."""
        return generator.integers(0, self.outputs, count)

    def example_targets(self, count: int) -> NDArray[np.int64]:
        """See ``TaskKind``."""
        return np.arange(count) % self.outputs

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """Cross-entropy in nats."""
        return -outputs_ND.log_softmax(1).gather(1, targets_N[:, None])[:, 0]

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """Probabilities, less one at the target."""
        toward_NK = outputs_ND.softmax(1)
        return toward_NK.scatter_add_(
            1, targets_N[:, None], toward_NK.new_full((len(targets_N), 1), -1.0)
        )

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """The index of the largest logit."""
        return outputs_ND.argmax(1)

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """Logits and probabilities."""
        return {"logits": outputs_ND, "probabilities": outputs_ND.softmax(1)}

    def chosen(self, answers_ND: Floats) -> NDArray[np.int64]:
        """The index of the most probable label."""
        return np.asarray(answers_ND.argmax(axis=1), dtype=np.int64)

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The most probable label, and all probabilities."""
        rounded_K = [round(value, 6) for value in answer_D]
        best = answer_D.index(max(answer_D))
        return {
            "label": self.columns[best],
            "probability": rounded_K[best],
            "probabilities": dict(zip(self.columns, rounded_K, strict=True)),
        }

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """See ``TaskKind``."""
        return np.array([self.columns.index(event["label"])])

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """The same label."""
        return self.agree(truth_N, predicted_N)

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """None: they are counted by label."""
        return ()

    def said(self, answer_D: Sequence[float]) -> str:
        """The most probable label, and how probable it is."""
        told = self.told(answer_D)
        return f"{told['label']}, with probability {told['probability']:.2f}"

    def label(self, answer_D: Sequence[float]) -> str:
        """The most probable one."""
        return self.columns[answer_D.index(max(answer_D))]

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """The same label."""
        return np.asarray(one_N == other_N)

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """1 for the right label, else 0."""
        return np.asarray(truth_N == predicted_N, dtype=np.float64)

    def of_score(self, score: float) -> float:
        """The accuracy."""
        return score

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.int64]:
        """Counts (3, K) of each label: named right, true, and named."""
        each = (truth_N[truth_N == predicted_N], truth_N, predicted_N)
        return np.stack([np.bincount(one, minlength=self.outputs) for one in each])

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """From counts (3, K); a label without windows is in no mean."""
        right_K, truth_K, named_K = sums
        there_K = truth_K > 0
        if not there_K.any():
            return {measure.name: float("nan") for measure in self.measures}
        recall_K = right_K[there_K] / truth_K[there_K]
        f1_K = 2 * right_K[there_K] / (truth_K + named_K)[there_K]
        return {
            "accuracy": float(right_K.sum() / truth_K.sum()),
            "balanced_accuracy": float(recall_K.mean()),
            "macro_f1": float(f1_K.mean()),
        }
