"""A task's windows, made from readings: cut on a grid in absolute time, and told of later.

``slide`` cuts those of one stream (pure, no file), ``streams`` keeps several streams apart,
``truths`` finds what they stand for, by the task's kind, and ``split`` divides them into training
and held-out ones. ``fl_client.shapes`` puts them through a shape, and ``fl_client.store.windows``
stores them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fl_common.configuration.rules import above, at_least, require, require_fields, whole
from fl_common.vocabulary import Floats

SECOND = 10**9
"""Nanoseconds."""

MOST_STREAMS = 1000
"""The most streams that a box may have at a time; of so many, what they left is remembered."""

Place = tuple[int, str]
"""A window's start, and its stream, which decides among those that start together."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window of ``task``: ``values_TC`` (T, C) float32 in the task's units.

    A picture is a window, too: (C, H, W).
    ``start_ns`` is the time of its first row, nanoseconds since 1970; (task, stream, start_ns) is
    its identity.
    """

    task: str
    start_ns: int
    values_TC: Floats
    stream: str = ""

    @property
    def place(self) -> Place:
        """Its place in the order of predictions."""
        return self.start_ns, self.stream


@dataclass(frozen=True, slots=True)
class Source:
    """A sensor as a source of windows: the task's channels it measures, in its readings' order.

    ``rate_hz`` is its declared rate, by which a window without gaps is known to be complete and is
    made at once. Without a rate (None) it is made when ``lateness_s`` has passed, unless the stamps
    lie on the grid. ``longest_gap_s`` is the sensor's own; None: that of all (``Slicing``).
    ``ages_s`` has for each channel how long its last value holds; None: it is interpolated.

    Raises:
        InvalidConfiguration: a gap or an age that is not above 0.
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float | None
    longest_gap_s: float | None = None
    ages_s: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if self.longest_gap_s is not None:
            require(f"sensors.{self.name}.longest_gap_s", self.longest_gap_s, above(0))
        for channel, age_s in self.held:
            require(f"longest_age_s of channel {channel}", age_s, above(0))

    @property
    def held(self) -> tuple[tuple[str, float], ...]:
        """The channels of which the last value holds, each with how long."""
        pairs = zip(self.channels, self.ages_s, strict=False)
        return tuple((channel, age_s) for channel, age_s in pairs if age_s is not None)

    @property
    def is_on_change(self) -> bool:
        """Whether it sends when something changes, so that its silence means nothing."""
        return self.rate_hz is None and len(self.held) == len(self.channels)


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a task's windows are cut.

    ``step`` is the number of rows from one window to the next. ``longest_gap_s``: a window that
    needs a value between two readings further apart is not made. ``lateness_s``: a reading that is
    older than the newest ones before it by more than this is dropped and counted. ``ahead_s``: a
    reading stamped further ahead of the box's clock is dropped, too, so that one wrong stamp does
    not make all later readings late. ``held`` are the channels of which the last value holds, each
    with how long in seconds (``sliced_for``). ``shape`` is the component that windows go through
    before anything uses them; None: they are used as they are cut.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    step: int
    longest_gap_s: float
    lateness_s: float
    ahead_s: float
    held: tuple[tuple[str, float], ...] = ()
    shape: str | None = None

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
    def lateness_ns(self) -> int:
        """The lateness in nanoseconds."""
        return round(self.lateness_s * SECOND)

    @property
    def ahead_ns(self) -> int:
        """How far ahead a stamp may be, in nanoseconds."""
        return round(self.ahead_s * SECOND)

    @property
    def back_ns(self) -> int:
        """How long before a row a reading may lie that decides its value."""
        return max([self.gap_ns, *(round(age_s * SECOND) for _, age_s in self.held)])


def sliced_for(slicing: Slicing, sources: Sequence[Source]) -> Slicing:
    """The slicing of windows from ``sources``: with their longest gap, and what they hold."""
    own = [s.longest_gap_s for s in sources if s.longest_gap_s is not None]
    defaults = [slicing.longest_gap_s for s in sources if s.longest_gap_s is None]
    longest_gap_s = max([*own, *defaults], default=slicing.longest_gap_s)
    held = sorted(pair for source in sources for pair in source.held)
    return replace(slicing, longest_gap_s=longest_gap_s, held=tuple(held))
