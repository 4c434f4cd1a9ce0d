"""The split of labelled windows into training and held-out ones: by time, never at random.

Time since 1970 is cut into pieces, and every n-th piece is held out. A window belongs to a part
only if every reading that its values can depend on does, so that no reading is in both parts; a
window across a border is in neither. A privacy block is a UTC day, and a window across midnight is
in none, so that blocks hold disjoint readings, as block composition requires. Pieces and days are
the same for all streams: a reading belongs to one stream, and lies in one piece and one day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.windows import SECOND, Slicing
from fl_client.windows.grid import Grid
from fl_common.configuration.rules import at_least, require_fields, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Integers, Task, Windows
from models.kinds import kind_of

DAY_NS = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Every ``every``-th piece of ``piece_s`` seconds is held out: a share of 1 / ``every``.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    piece_s: float
    every: int

    def __post_init__(self) -> None:
        require_fields("held_out", self, piece_s=at_least(1), every=whole(2))


@dataclass(frozen=True, slots=True)
class Labelled:
    """Windows sorted by time: ``starts_N``, ``values_NTC``, and what they stand for (N, ...)."""

    starts_N: Integers
    values_NTC: Floats
    labels_N: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Split:
    """Splits windows whose readings lie from ``back_ns`` before to ``ahead_ns`` after the start.

    Raises:
        InvalidConfiguration: pieces too short for a window.
    """

    held_out: HeldOut
    back_ns: int
    ahead_ns: int

    def __post_init__(self) -> None:
        reach_s = (self.back_ns + self.ahead_ns) / SECOND
        if self.held_out.piece_s < 2 * reach_s:
            raise InvalidConfiguration(
                f"held_out.piece_s={self.held_out.piece_s:g}",
                f"must be at least {2 * reach_s:g}, twice the time that a window needs",
                "Raise it; some minutes are usual",
            )

    def training(self, labelled: Labelled) -> Windows:
        """The windows within training pieces and one day; a block is a day, by its UTC date."""
        first_N, last_N = self._ends(labelled.starts_N, self._piece_ns)
        return self._by_day(labelled, ~(self._is_held_out(first_N) | self._is_held_out(last_N)))

    def held_out_windows(self, labelled: Labelled) -> Windows:
        """The windows within one held-out piece and one day."""
        first_N, last_N = self._ends(labelled.starts_N, self._piece_ns)
        return self._by_day(labelled, self._is_held_out(first_N) & (first_N == last_N))

    @property
    def _piece_ns(self) -> int:
        return round(self.held_out.piece_s * SECOND)

    def _ends(self, starts_N: Integers, length_ns: int) -> tuple[Integers, Integers]:
        """The pieces of ``length_ns`` that the first and the last reading may lie in."""
        return (starts_N - self.back_ns) // length_ns, (starts_N + self.ahead_ns) // length_ns

    def _is_held_out(self, piece_N: Integers) -> NDArray[np.bool_]:
        return np.asarray(piece_N % self.held_out.every == self.held_out.every - 1)

    def _by_day(self, labelled: Labelled, is_in_N: NDArray[np.bool_]) -> Windows:
        """The windows of ``is_in_N`` except those across midnight, in blocks by day."""
        day_N, last_day_N = self._ends(labelled.starts_N, DAY_NS)
        is_in_N = is_in_N & (day_N == last_day_N)
        days_B, block_of = np.unique(day_N[is_in_N], return_inverse=True)
        return Windows(
            values=labelled.values_NTC[is_in_N],
            labels=labelled.labels_N[is_in_N],
            block_of=block_of.astype(np.int64),
            blocks=tuple(str(day) for day in days_B.astype("datetime64[D]")),
        )


def split_of(task: Task, slicing: Slicing, held_out: HeldOut) -> Split:
    """The split of windows of ``task``, by how far away a reading can decide one of their values.

    Or one of those after them that a window stands for. A picture is decided by itself.

    Raises:
        InvalidConfiguration: a task without a time axis, pieces too short for a window, or steps
            that leave out readings which windows stand for.
    """
    if task.is_of_pictures:
        return Split(held_out, 0, 0)
    rows = task.as_cut.window_shape[0]
    if kind_of(task).ahead and slicing.step > rows:
        raise InvalidConfiguration(
            f"windows.step={slicing.step} of windows of {rows} readings",
            "leaves out readings between windows, which those before them would be trained to tell",
            f"Set windows.step={rows} or less, or federation.server=null: the box serves alone",
        )
    return Split(held_out, slicing.back_ns, Grid(task, slicing).reach_ns + slicing.gap_ns)
