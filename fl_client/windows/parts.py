"""The channels of a task by how their rows are filled, and what their sensors must be."""

from collections.abc import Sequence
from dataclasses import dataclass

from fl_client.windows import SECOND, Slicing, Source
from fl_client.windows.track import Track
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task

_WHOLE = 1.5
"""Two readings at most this many periods apart have none missing between them."""


@dataclass(frozen=True, slots=True)
class HeldValue:
    """The last value of a ``channel`` that holds, which ``sensor`` sent at ``time_ns``."""

    sensor: str
    channel: str
    time_ns: int
    value: float


@dataclass(frozen=True)
class Part:
    """Channels of one source that are treated alike, with their readings.

    ``columns`` are their places among the source's, None for all of them in order, and ``places``
    among the task's. Two readings at most ``whole_ns`` apart have none missing between them; a
    value is used up to ``limit_ns``: the longest gap, or the age of one that holds.
    """

    source: Source
    columns: list[int] | None
    places: list[int]
    track: Track
    holds: bool
    whole_ns: int
    limit_ns: int


def parts_of(source: Source, task: Task, slicing: Slicing) -> list[Part]:
    """The source's channels, those that are interpolated first, and the others by their ages."""
    ages = source.ages_s or (None,) * len(source.channels)
    parts = []
    for age_s in sorted({*ages}, key=lambda age: (age is not None, age)):
        columns = [column for column, age in enumerate(ages) if age == age_s]
        limit_s = age_s or source.longest_gap_s or slicing.longest_gap_s
        limit_ns = round(limit_s * SECOND)
        whole_ns = 0 if source.rate_hz is None else int(_WHOLE * SECOND / source.rate_hz)
        parts.append(
            Part(
                source=source,
                columns=columns if len(columns) < len(ages) else None,
                places=[task.channels.index(source.channels[column]) for column in columns],
                track=Track(len(columns), None if age_s is None else limit_ns),
                holds=age_s is not None,
                whole_ns=min(whole_ns, limit_ns),
                limit_ns=limit_ns,
            )
        )
    return parts


def check_sources(task: Task, sources: Sequence[Source], slicing: Slicing) -> None:
    """Raise InvalidConfiguration unless each channel has one source that is fast enough."""
    measured = [channel for source in sources for channel in source.channels]
    for channel in sorted({*measured, *task.channels}):
        if measured.count(channel) != task.channels.count(channel):
            raise InvalidConfiguration(
                f"channel {channel}",
                f"is measured by {measured.count(channel)} sensors, and task {task.name} has"
                f" {task.channels.count(channel)} such channel",
                f"Give each of its channels ({', '.join(task.channels)}) to exactly one sensor",
            )
    if task.is_of_pictures:
        _check_camera(task, sources)
        return
    for source in sources:
        gap_s = source.longest_gap_s or slicing.longest_gap_s
        interpolates = len(source.held) < len(source.channels)
        if interpolates and source.rate_hz is not None and not source.rate_hz * gap_s >= 1:
            raise InvalidConfiguration(
                f"sensor {source.name} at {source.rate_hz:g} Hz",
                f"must send more often than the longest gap of {gap_s:g} s",
                "Raise its longest_gap_s (windows.longest_gap_s is that of all), or its rate",
            )


def _check_camera(task: Task, sources: Sequence[Source]) -> None:
    """Raise InvalidConfiguration unless one source sends whole pictures."""
    if len(sources) != 1 or sources[0].held:
        raise InvalidConfiguration(
            f"task {task.name} with pictures {list(task.window_shape)} of"
            f" {', '.join(source.name for source in sources)}",
            "needs one sensor, which sends all of its channels in each message, and holds none",
            "Declare one camera; several of the same kind are streams of one sensor",
        )
