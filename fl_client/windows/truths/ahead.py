"""The readings that follow a window, from the later windows of its stream."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.split import Labelled
from fl_client.windows.truths.kept import Kept, Told
from fl_client.windows.truths.told import UNKNOWN
from fl_common.vocabulary import Integers, Task
from models.kinds import kind_of
from models.kinds.forecast import divided


class Ahead:
    """A window's next ``horizon`` rows: nobody tells them, and they are kept nowhere else.

    Windows lie on one grid, so the row that is r rows after a window's start is row r - k * step of
    the window that is k steps later. Each row is taken from the first window that has it. A window
    is for nothing as long as one that it needs is missing, before it comes or because of a gap.
    """

    expects = "left out: the readings tell all"

    def __init__(self, task: Task, slicing: Slicing) -> None:
        self._grid, self._ahead = Grid(task, slicing), kind_of(task).ahead
        rows, step = self._grid.rows, slicing.step
        ahead_H = np.arange(rows, rows + self._ahead)
        later_H = -(-(ahead_H - rows + 1) // step)
        self._row_H = ahead_H - later_H * step
        self._later_L, self._place_H = np.unique(later_H, return_inverse=True)

    def why_unused(self, label: str) -> str | None:
        """Nobody need tell anything."""
        return UNKNOWN

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """Nothing."""
        return [None] * len(starts_N)

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """None: nothing is kept of any."""
        return np.empty(0)

    def known(self, kept: Kept) -> Labelled:
        """The windows with all of their next rows, and these as the kind is labelled with them."""
        followed_N, ahead_NHC = self._followed(kept)
        values_NLC = np.concatenate([kept.values_NTC[followed_N], ahead_NHC], axis=1)
        return Labelled(kept.starts_N[followed_N], *divided(values_NLC, self._ahead))

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """All."""
        return np.ones(len(labels_N), np.bool_)

    def _followed(self, kept: Kept) -> tuple[Integers, NDArray[np.float32]]:
        """Which windows have all of their next rows, and these (N, H, C)."""
        index_N = [self._grid.index_at(start) for start in kept.starts_N.tolist()]
        places = {place: n for n, place in enumerate(zip(kept.streams, index_N, strict=True))}
        later = self._later_L.tolist()
        found_NL = np.array(
            [[places.get((of, index + k), -1) for k in later] for of, index in places],
            np.int64,
        ).reshape(len(places), len(later))
        followed_N = np.flatnonzero((found_NL >= 0).all(axis=1))
        found_NH = found_NL[followed_N][:, self._place_H]
        return followed_N, kept.values_NTC[found_NH, self._row_H]
