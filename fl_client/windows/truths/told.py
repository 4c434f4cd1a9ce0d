"""What people tell of whole windows: a label, several labels, or a number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.labels import NO_LABEL, PLAIN_NUMBER, covered, labels_of, numbers_of
from fl_client.windows.split import Labelled
from fl_client.windows.truths.kept import Kept, Told
from fl_common.vocabulary import Integers, Task
from models.kinds import kind_of
from models.kinds.multilabel import labels_in

UNKNOWN, NO_NUMBER, RANGE = "unknown", "number", "range"
"""Why a label tells nothing: the task does not have it; it is no number; it is none of the task's
range."""


class Label:
    """One of the task's labels (``fl_client.windows.labels``)."""

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._labels = task.labels
        self._length_ns = Grid(task, slicing).length_ns
        self.expects = f"one of {', '.join(task.labels)}"

    def why_unused(self, label: str) -> str | None:
        """It is none of the task's."""
        return None if label in self._labels else UNKNOWN

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """The labels' indices."""
        found_N = labels_of(starts_N, self._length_ns, annotations, self._labels, share)
        return [None if label == NO_LABEL else label for label in found_N.tolist()]

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """Indices (N,)."""
        return np.array(told, np.int64)

    def known(self, kept: Kept) -> Labelled:
        """Windows with an index (N,)."""
        return Labelled(kept.starts_N, kept.values_NTC, self.labels(kept.told))

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(labels_N), np.bool_)


class Labels:
    """A set of the kind's labels: an annotation names all that hold in its interval, or none.

    Of a window the annotations must cover the share. A label is in its set if the intervals that
    name it cover the share, too, and not if what they leave does; between the two, nothing is told.
    """

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._labels = kind_of(task).columns
        self._length_ns = Grid(task, slicing).length_ns
        self.expects = f"of {', '.join(self._labels)}, such as a;b, or a lone ; for none"

    def why_unused(self, label: str) -> str | None:
        """One of those that it names is none of the task's."""
        return None if {*labels_in(label)} <= {*self._labels} else UNKNOWN

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """Sets as whole numbers, of which label k is bit k."""
        named = [({*labels_in(a.label)}, (a.from_ns, a.to_ns)) for a in annotations]
        usable = [(names, span) for names, span in named if names <= {*self._labels}]
        about, most = (starts_N, self._length_ns), self._length_ns
        is_told_N = covered(*about, [span for _, span in usable]) >= share * most
        bits_N = np.zeros(len(starts_N), np.int64)
        for bit, label in enumerate(self._labels):
            covered_N = covered(*about, [span for names, span in usable if label in names])
            has_N = covered_N >= share * most
            is_told_N &= has_N | (most - covered_N >= share * most)
            bits_N |= has_N.astype(np.int64) << bit
        pairs = zip(bits_N.tolist(), is_told_N.tolist(), strict=True)
        return [bits if is_told else None for bits, is_told in pairs]

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """Such numbers (N,)."""
        return np.array(told, np.int64)

    def known(self, kept: Kept) -> Labelled:
        """Windows with such a number (N,)."""
        return Labelled(kept.starts_N, kept.values_NTC, self.labels(kept.told))

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(labels_N), np.bool_)


class Number:
    """A number: the mean over time of those told (``numbers_of``), within the task's range."""

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._kind, options = kind_of(task), dict(task.kind.options)
        self._length_ns = Grid(task, slicing).length_ns
        self.expects = f"a number from {options['low']:g} to {options['high']:g}"

    def why_unused(self, label: str) -> str | None:
        """It is no number, or beyond the task's range."""
        if not PLAIN_NUMBER.fullmatch(label):
            return NO_NUMBER
        return None if self._kind.fits_N(np.array([float(label)]))[0] else RANGE

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """The numbers."""
        usable = [one for one in annotations if self.why_unused(one.label) is None]
        found_N = numbers_of(starts_N, self._length_ns, usable, share)
        return [None if number != number else number for number in found_N.tolist()]

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """Numbers (N,)."""
        return np.array(told, np.float64)

    def known(self, kept: Kept) -> Labelled:
        """Windows with a number (N,)."""
        return Labelled(kept.starts_N, kept.values_NTC, self.labels(kept.told))

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(labels_N), np.bool_)
