"""A label for each reading of a window."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Doubles, Floats, Integers, Task
from models.kinds.classification import Classification
from models.kinds.protocol import READINGS, Truth

if TYPE_CHECKING:
    import torch

SEQUENCE = "sequence"
_ALIKE = 0.9
_FEW = 5
"""Two answers are the same if so many of the readings, at least, have one label in both."""


def usual_of(labels_NT: Integers) -> Integers:
    """The label that most readings of each window have."""
    lowest = int(labels_NT.min(initial=0))
    usual = [int(np.bincount(row - lowest).argmax()) + lowest for row in labels_NT]
    return np.array(usual, np.int64)


class Sequences:
    """One of the task's labels for each reading; cross-entropy in nats, the mean over readings.

    A window is labelled with (T,) indices, and a prediction is such, too. Measures count readings:
    accuracy, balanced accuracy and macro F1 of all readings of all windows. A window's score is the
    share of its readings that are named right.
    """

    truth, ahead = Truth.READINGS, 0
    answer = "probabilities"
    span = 1.0
    pace = READINGS
    guess = "naming the most frequent label for each reading"
    loss_name = "Mean cross-entropy of a reading, in nats"

    def __init__(self, task: Task) -> None:
        if dict(task.kind.options):
            raise TypeError("a sequence has no options")
        if len(task.window_shape) != 2 or len(task.labels) < 1:
            raise InvalidConfiguration(
                f"task.kind=sequence with windows of shape {task.window_shape}",
                "needs readings over time, windows (time, channels), and labels",
                "Cut them from recordings with fl-simulate windows",
            )
        self._labels = Classification(task)
        self._length, self._rate_hz = task.window_shape[0], task.rate_hz
        self._names, self._classes = task.labels, len(task.labels)
        self.outputs = self._length * self._classes
        self.columns = tuple(f"{name}@{n}" for n in range(self._length) for name in task.labels)
        self.score_steps = self._length
        self.measures, self.on_sites = self._labels.measures, self._labels.on_sites
        self.guess_loss = self._labels.guess_loss

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """The label that most readings have."""
        return self._labels.guessed(truth_N)

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        if labels_N.shape[1:] != (self._length,):
            return (
                f"labels of shape {labels_N.shape}",
                f"must be (N, {self._length}): one a reading",
            )
        return self._labels.why_unfit(labels_N)

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``; one label for a whole window tells nothing of its readings."""
        if labels_N.shape[1:] != (self._length,):
            return np.zeros(len(labels_N), np.bool_)
        return np.asarray(self._labels.fits_N(labels_N).all(axis=1))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """The label that most readings of a window have."""
        return usual_of(labels_N)

    def targets(self, labels_N: NDArray[Any]) -> NDArray[np.int64]:
        """The labels' indices (N, T)."""
        return self._labels.targets(labels_N).reshape(-1, self._length)

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """A label for each reading, each as likely as any."""
        return generator.integers(0, self._classes, (count, self._length))

    def example_targets(self, count: int) -> NDArray[np.int64]:
        """See ``TaskKind``."""
        return self._labels.example_targets(count * self._length).reshape(count, self._length)

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """The mean cross-entropy of each window's readings."""
        said_NTK = self._by_reading(outputs_ND).log_softmax(2)
        return -said_NTK.gather(2, targets_N.unsqueeze(2)).squeeze(2).mean(1)

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """Probabilities, less one at the target, by the number of readings."""
        toward_NTK = self._by_reading(outputs_ND).softmax(2)
        ones_NT1 = toward_NTK.new_full((*targets_N.shape, 1), -1.0)
        return (
            toward_NTK.scatter_add_(2, targets_N.unsqueeze(2), ones_NT1)
            .flatten(1)
            .div_(self._length)
        )

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """The index of each reading's largest logit (N, T)."""
        return self._by_reading(outputs_ND).argmax(2)

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """Probabilities (N, T * K): all labels of the first reading, then of the next."""
        return {self.answer: self._by_reading(outputs_ND).softmax(2).flatten(1)}

    def chosen(self, answers_ND: Floats) -> NDArray[np.int64]:
        """The index of each reading's most probable label (N, T)."""
        by_reading_NTK = answers_ND.reshape(-1, self._length, self._classes)
        return np.asarray(by_reading_NTK.argmax(axis=2), dtype=np.int64)

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """Runs of one label, from where to where in the window, and how probable in the mean."""
        said_TK = np.reshape(answer_D, (self._length, self._classes))
        named_T = said_TK.argmax(axis=1)
        runs, begin = list[dict[str, Any]](), 0
        for label, readings in itertools.groupby(named_T.tolist()):
            end = begin + len([*readings])
            mean = float(said_TK[begin:end, label].mean())
            place = self._place(begin, end)
            runs.append({"label": self._names[label], **place, "probability": round(mean, 6)})
            begin = end
        return {"runs": runs}

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """The label of each reading (1, T), of the event's runs."""
        named_T = np.zeros(self._length, np.int64)
        begin, end = ("from_reading", "to_reading") if self._rate_hz is None else ("from_s", "to_s")
        for run in event["runs"]:
            places = (round(run[each] * (self._rate_hz or 1)) for each in (begin, end))
            named_T[slice(*places)] = self._names.index(run["label"])
        return named_T[None]

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Nine of ten readings, at least."""
        return self.agree(truth_N, predicted_N)

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """The label that most readings of each window have."""
        named_NT = self.chosen(answers_ND)
        counts = (np.bincount(row, minlength=self._classes) for row in named_NT)
        return tuple(self._names[int(each.argmax())] for each in counts)

    def _place(self, begin: int, end: int) -> Mapping[str, float]:
        """From where to where in the window: in seconds, if the rate is known."""
        if self._rate_hz is None:
            return {"from_reading": begin, "to_reading": end}
        return {
            "from_s": round(begin / self._rate_hz, 6),
            "to_s": round(end / self._rate_hz, 6),
        }

    def said(self, answer_D: Sequence[float]) -> str:
        """The labels of its runs, in order."""
        labels = [str(run["label"]) for run in self.told(answer_D)["runs"]]
        more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
        return ", ".join(labels[:_FEW]) + more

    def label(self, answer_D: Sequence[float]) -> str:
        """The one that most readings have."""
        return self.words(np.asarray([answer_D], dtype=np.float32))[0]

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """One label in both for nine of ten readings, at least."""
        return np.asarray((one_N == other_N).mean(axis=1) >= _ALIKE)

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """The share of a window's readings with the right label."""
        return np.asarray((truth_N == predicted_N).mean(axis=1), dtype=np.float64)

    def of_score(self, score: float) -> float:
        """The accuracy."""
        return score

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.int64]:
        """Counts (3, K) of each label's readings: named right, true, and named."""
        return self._labels.sums(truth_N.ravel(), predicted_N.ravel())

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """As of labels of windows, but of readings."""
        return self._labels.measured(sums)

    def _by_reading(self, outputs_ND: "torch.Tensor") -> "torch.Tensor":
        """Outputs (N, T, K)."""
        return outputs_ND.reshape(-1, self._length, self._classes)
