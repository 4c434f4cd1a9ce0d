"""Several labels for each window, or none: what is going on at the same time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Doubles, Floats, Integers, KindSpec, Task
from models.kinds.protocol import LABELS, STEPS, Measure, Truth, in_steps

if TYPE_CHECKING:
    import torch

MULTILABEL = "multilabel"
BETWEEN = ";"
"""Between the labels of a window, where they are one text."""
MOST_LABELS = 62
_LIKELY = 0.5


def multilabel(labels: Sequence[str]) -> KindSpec:
    """The specification of these labels, of which a window can have several.

    Raises:
        InvalidConfiguration: none or more than 62, or one with a semicolon.
    """
    names = [str(label) for label in labels]
    if not 1 <= len(names) <= MOST_LABELS:
        rule = f"must be 1 to {MOST_LABELS} for task.kind={MULTILABEL}"
        raise InvalidConfiguration(f"{len(names)} labels", rule, "Name them: world.labels=[a,b]")
    for name in names:
        if BETWEEN in name or name != name.strip() or not name or names.count(name) > 1:
            rule = "must be the name of one label alone, without a semicolon or spaces around it"
            raise InvalidConfiguration(f"label {name!r}", rule, "Give it another name")
    return KindSpec.of(MULTILABEL, labels=BETWEEN.join(names))


def labels_in(text: str) -> list[str]:
    """The labels in one text, such as ``hot;loud``; none in an empty one, or a lone semicolon."""
    return [*filter(None, map(str.strip, text.split(BETWEEN)))]


def bits_of(has_NK: NDArray[Any]) -> Integers:
    """Sets of labels (N,): label k is bit k."""
    return np.asarray((has_NK != 0) @ (1 << np.arange(has_NK.shape[1], dtype=np.int64)))


def has_of(bits_N: NDArray[Any], labels: int) -> NDArray[np.bool_]:
    """Which of so many labels each set has, (N, K)."""
    return np.asarray((np.asarray(bits_N, np.int64)[:, None] >> np.arange(labels)) & 1 == 1)


def rarest_of(bits_N: NDArray[Any], labels: int, among_M: NDArray[Any]) -> Integers:
    """Of each set the label that the fewest of ``among_M`` have, or the number of labels: none."""
    has_NK, sets_K = has_of(bits_N, labels), has_of(among_M, labels).sum(0)
    rows_NK = np.where(has_NK, sets_K, len(among_M) + 1)
    return np.where(has_NK.any(1), rows_NK.argmin(1), labels).astype(np.int64)


def of_labels(task: Task, sums: NDArray[Any]) -> dict[str, dict[str, float]]:
    """Of each label that a window has: its F1, and its windows found, missed and named wrongly."""
    labels = str(dict(task.kind.options)["labels"]).split(BETWEEN)
    measured = {}
    for label, counts in zip(labels, sums[:-3].reshape(3, -1).T.tolist(), strict=True):
        found, missed, wrong = counts
        if found + missed:
            f1 = 2 * found / (2 * found + missed + wrong)
            measured[label] = {"f1": f1, "found": found, "missed": missed, "wrong": wrong}
    return measured


def window_f1(truth_NK: NDArray[np.bool_], named_NK: NDArray[np.bool_]) -> Doubles:
    """Of each window, how its labels agree: 2 common / (true + named), and 1 where it has none."""
    common_N = (truth_NK & named_NK).sum(1)
    either_N = truth_NK.sum(1) + named_NK.sum(1)
    return np.where(either_N > 0, 2 * common_N / np.maximum(either_N, 1), 1.0)


class Multilabel:
    """Each label for itself: sigmoid of logits, and binary cross-entropy.

    A window is labelled with a set of labels as a whole number, of which label k is bit k. The loss
    is the sum over labels by the root of their number: its gradient by the outputs has a norm of 1
    at most, as large as that of one label, so clipping and rates fit however many labels there are.

    A window's score is its F1, how far the labels named agree with its own.
    """

    truth, ahead = Truth.SET, 0
    answer = "probabilities"
    span = 1.0
    score_steps = STEPS
    pace = LABELS
    guess = "naming every label each time"
    loss_name = "Cross-entropy in nats, summed over labels and divided by the root of their number"
    on_sites = Measure("window_f1", "mean F1 of a window", True)
    measures = (
        Measure("macro_f1", "macro F1", True),
        Measure("micro_f1", "micro F1", True),
        Measure("exact_match", "exact match", True),
        on_sites,
    )

    def __init__(self, task: Task) -> None:
        options = dict(task.kind.options)
        labels = [*filter(None, str(options.pop("labels", "")).split(BETWEEN))]
        multilabel(labels, **options)
        self.columns, self.outputs = tuple(labels), len(labels)
        self._root = len(labels) ** 0.5
        self.guess_loss = self._root * float(np.log(2))

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """All labels: of all constant answers the one with the largest macro F1."""
        return np.full_like(truth_N, (1 << self.outputs) - 1)

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        if self.fits_N(labels_N).all():
            return None
        rule = f"must lie in 0..{(1 << self.outputs) - 1}: a bit for each of {self.outputs} labels"
        return f"sets of labels from {labels_N.min()} to {labels_N.max()}", rule

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``."""
        return np.asarray((labels_N >= 0) & (labels_N < 1 << self.outputs))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """The rarest label of each window."""
        return rarest_of(labels_N, self.outputs, among_M)

    def targets(self, labels_N: NDArray[Any]) -> Floats:
        """1 for each label that a window has, else 0: (N, K)."""
        targets_NK: Floats = has_of(labels_N, self.outputs).astype(np.float32)
        return targets_NK

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """Any sets."""
        return bits_of(generator.integers(0, 2, (count, self.outputs)))

    def example_targets(self, count: int) -> Floats:
        """See ``TaskKind``."""
        places_NK = np.arange(count)[:, None] + np.arange(self.outputs)
        return np.asarray(places_NK % 2 == 0, dtype=np.float32)

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """See the class."""
        from torch.nn.functional import binary_cross_entropy_with_logits  # no box needs it

        targets_N = targets_N.to(outputs_ND.dtype)
        losses_NK = binary_cross_entropy_with_logits(outputs_ND, targets_N, reduction="none")
        return losses_NK.sum(1).div(self._root)

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """Probabilities, less 1 for each label that is there, by the root of the labels' number."""
        return (outputs_ND.sigmoid() - targets_N).div_(self._root)

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """The set of the labels with a logit of 0 at least."""
        likely_ND = (outputs_ND >= 0).long()
        return (likely_ND << likely_ND.new_tensor(range(self.outputs))).sum(1)

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """Logits and probabilities."""
        return {"logits": outputs_ND, "probabilities": outputs_ND.sigmoid()}

    def chosen(self, answers_ND: Floats) -> Integers:
        """The set of the labels that are more likely than not."""
        return bits_of(answers_ND >= _LIKELY)

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The labels that are more likely than not, and all probabilities."""
        rounded = dict(zip(self.columns, (round(value, 6) for value in answer_D), strict=True))
        likely = zip(self.columns, answer_D, strict=True)
        return {
            "labels": [name for name, value in likely if value >= _LIKELY],
            "probabilities": rounded,
        }

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """The set of the event's labels."""
        return bits_of(np.array([[name in event["labels"] for name in self.columns]]))

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """The same labels."""
        return self.agree(truth_N, predicted_N)

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """One word for all."""
        return (self.answer,) * len(answers_ND)

    def said(self, answer_D: Sequence[float]) -> str:
        """The labels that are more likely than not."""
        return ", ".join(self.told(answer_D)["labels"]) or "no label"

    def label(self, answer_D: Sequence[float]) -> str:
        """Those that are more likely than not."""
        return ";".join(self.told(answer_D)["labels"])

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """The same labels."""
        return np.asarray(one_N == other_N)

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class."""
        f1_N = window_f1(has_of(truth_N, self.outputs), has_of(predicted_N, self.outputs))
        return in_steps(f1_N)

    def of_score(self, score: float) -> float:
        """The mean F1 of a window."""
        return score

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Of each label found, missed and named wrongly; then windows, the same, and F1: (3K+3)."""
        truth_NK, named_NK = has_of(truth_N, self.outputs), has_of(predicted_N, self.outputs)
        counts = [truth_NK & named_NK, truth_NK & ~named_NK, ~truth_NK & named_NK]
        same, f1 = np.sum(truth_N == predicted_N), window_f1(truth_NK, named_NK).sum()
        return np.array([*np.concatenate([one.sum(0) for one in counts]), len(truth_N), same, f1])

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """See ``sums``; a label that no window has is in no mean."""
        found_K, missed_K, wrong_K = sums[:-3].reshape(3, -1)
        windows, same, f1 = sums[-3:]
        there_K = found_K + missed_K > 0
        if not windows or not there_K.any():
            return {measure.name: float("nan") for measure in self.measures}
        f1_K = 2 * found_K[there_K] / (2 * found_K + missed_K + wrong_K)[there_K]
        either = 2 * found_K.sum() + missed_K.sum() + wrong_K.sum()
        return {
            "macro_f1": float(f1_K.mean()),
            "micro_f1": float(2 * found_K.sum() / either),
            "exact_match": float(same / windows),
            "window_f1": float(f1 / windows),
        }
