"""A label for each reading of a window, which people tell by intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.labels import NO_LABEL, labels_of
from fl_client.windows.split import Labelled
from fl_client.windows.truths.kept import Kept, Told
from fl_client.windows.truths.told import UNKNOWN
from fl_common.vocabulary import Integers, Task


class OfReadings:
    """A label for each row, by its own time: a row lasts until the next one, one period.

    A window of which one row has no label is for nothing.
    """

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._labels, self._grid = task.labels, Grid(task, slicing)
        self.expects = f"one of {', '.join(task.labels)}"

    def why_unused(self, label: str) -> str | None:
        """It is none of the task's."""
        return None if label in self._labels else UNKNOWN

    def labels_NT(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Integers:
        """The index of each row's label, or ``NO_LABEL``."""
        times_N = (starts_N[:, None] + self._grid.offsets_T).ravel()
        period_ns = self._grid.length_ns // self._grid.rows
        found_N = labels_of(times_N, period_ns, annotations, self._labels, share)
        return found_N.reshape(-1, self._grid.rows)

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """The labels' indices as bytes, each int32 with its low byte first."""
        labels_NT = self.labels_NT(starts_N, annotations, share)
        has_all_N = (labels_NT != NO_LABEL).all(axis=1).tolist()
        rows = labels_NT.astype("<i4")
        return [
            row.tobytes() if has_all else None for row, has_all in zip(rows, has_all_N, strict=True)
        ]

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """Indices (N, T)."""
        content = b"".join(row for row in told if isinstance(row, bytes))
        return np.frombuffer(content, "<i4").reshape(-1, self._grid.rows).astype(np.int64)

    def known(self, kept: Kept) -> Labelled:
        """Windows with indices (N, T)."""
        return Labelled(kept.starts_N, kept.values_NTC, self.labels(kept.told))

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(labels_N), np.bool_)
