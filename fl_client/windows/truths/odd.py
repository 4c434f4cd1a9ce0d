"""Windows that count as normal, unless people tell that they are anomalous."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.labels import covered
from fl_client.windows.split import Labelled
from fl_client.windows.truths.kept import Kept, Told
from fl_client.windows.truths.told import UNKNOWN
from fl_common.vocabulary import Integers, Task
from models.kinds.anomaly import ANOMALOUS, NORMAL, mark_of
from models.kinds.anomaly import UNKNOWN as NOT_KNOWN

_IN_PART = 2
"""Kept of a window that an anomaly covers in part: it is neither trained on nor counted with."""


class Odd:
    """Anomalous where such intervals cover the share; else normal, told or not.

    One that they touch and do not cover is for nothing. Anomalous ones are never trained on.
    """

    expects = "anomaly or normal"

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._length_ns = Grid(task, slicing).length_ns

    def why_unused(self, label: str) -> str | None:
        """It does not say whether something is anomalous."""
        return UNKNOWN if mark_of(label) is None else None

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """The marks, or ``_IN_PART``."""
        odd_N, normal_N = (
            covered(starts_N, self._length_ns, _marked(annotations, mark))
            for mark in (ANOMALOUS, NORMAL)
        )
        most = share * self._length_ns
        is_odd_N = (odd_N >= most) & (normal_N < most)
        marks_N = np.where(normal_N >= most, NORMAL, NOT_KNOWN)
        marks_N = np.where(is_odd_N, ANOMALOUS, np.where(odd_N > 0, _IN_PART, marks_N))
        return [None if mark == NOT_KNOWN else mark for mark in marks_N.tolist()]

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """The marks (N,), ``_IN_PART`` among them, which is none that a window can have."""
        return np.array([NOT_KNOWN if mark is None else mark for mark in told], np.int64)

    def known(self, kept: Kept) -> Labelled:
        """Windows with a mark (N,)."""
        marks_N = self.labels(kept.told)
        whole_N = marks_N != _IN_PART
        return Labelled(kept.starts_N[whole_N], kept.values_NTC[whole_N], marks_N[whole_N])

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Those that are not known to be anomalous."""
        return np.asarray(labels_N != ANOMALOUS)


def _marked(annotations: Sequence[Annotation], mark: int) -> list[tuple[int, int]]:
    return [(one.from_ns, one.to_ns) for one in annotations if mark_of(one.label) == mark]
