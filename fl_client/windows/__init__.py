"""A task's windows, made from readings: cut on a grid in absolute time, and labelled later.

``slide`` cuts them (pure, no file), ``labels`` joins labels to them, and ``split`` divides them
into training and held-out windows. ``fl_client.store.windows`` stores them.
"""

from dataclasses import dataclass

from fl_common.configuration.rules import above, at_least, require_fields, whole
from fl_common.vocabulary import Floats

SECOND = 10**9
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window of ``task``: ``values_TC`` (T, C) float32 in the task's units.

    ``start_ns`` is the time of its first row, nanoseconds since 1970; (task, start_ns) is its
    identity.
    """

    task: str
    start_ns: int
    values_TC: Floats


@dataclass(frozen=True, slots=True)
class Source:
    """A sensor as a source of windows: the task's channels it measures, in its readings' order.

    ``rate_hz`` is its declared rate, by which a window without gaps is known to be complete and is
    made at once. Without a rate (None) it is made when ``lateness_s`` has passed, unless the stamps
    lie on the grid.
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float | None


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a task's windows are cut.

    ``step`` is the number of rows from one window to the next. ``longest_gap_s``: a window that
    needs a value between two readings further apart is not made. ``lateness_s``: a reading that is
    older than the newest one before it by more than this is dropped and counted. ``ahead_s``: a
    reading stamped further ahead of the box's clock is dropped, too, so that one wrong stamp does
    not make all later readings late.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    step: int
    longest_gap_s: float
    lateness_s: float
    ahead_s: float

    def __post_init__(self) -> None:
        require_fields(
            "windows",
            self,
            step=whole(1),
            longest_gap_s=above(0),
            lateness_s=at_least(0),
            ahead_s=above(0),
        )

    @property
    def gap_ns(self) -> int:
        """The longest gap in nanoseconds."""
        return round(self.longest_gap_s * SECOND)

    @property
    def ahead_ns(self) -> int:
        """How far a reading may be ahead of the clock, in nanoseconds."""
        return round(self.ahead_s * SECOND)
