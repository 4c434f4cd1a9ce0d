"""Cut windows from readings: a pure function of the readings, whatever order they arrive in.

A row of a window is interpolated linearly between the readings before and after it, channel by
channel, so that sensors of different rates meet on the task's grid. A window is made as soon as no
reading can be missing from it: each row lies on a reading, or between two that are at most
one and a half periods of the sensor's declared rate apart. A window with a wider gap waits until
readings that could fill the gap would be late. Then it is made if the gap is within the longest
gap; else it is not made, and counted.

Whether a reading is late depends only on what arrived before it, never on when ``closed`` is
called, so any division into batches gives the same windows. Any order of arrival without late
readings does, too, for sensors without a declared rate, and for sensors with one whose stamps lie
at least three quarters of a period apart. (Completeness by event time: Akidau et al., "The dataflow
model", VLDB 2015.)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Slicing, Source, Window
from fl_client.windows.grid import Grid
from fl_client.windows.track import Track
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Integers, Task

_WHOLE = 1.5
"""Two readings at most this many periods apart have none missing between them."""
_AT_ONCE = 256
"""Windows that are interpolated at once, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class AcceptedReadings:
    """The numbers of readings that were dropped from each of a batch's M messages.

    ``late_M``: too old for any window that is still open, or of a sensor that the task does not
    use. ``ahead_M``: stamped too far ahead of the clock.
    """

    late_M: Integers
    ahead_M: Integers


class Assembler:
    """Cuts the windows of ``task`` from the readings of ``sources``.

    Holds the readings of the last window, the longest gap and the lateness; older ones are freed.
    For one thread at a time.

    Raises:
        InvalidConfiguration: a channel is not measured by exactly one source, a source is slower
            than the longest gap allows, or the task has no time axis.
    """

    def __init__(self, task: Task, sources: Sequence[Source], slicing: Slicing) -> None:
        check_sources(task, sources, slicing)
        self._task = task
        self._slicing = slicing
        self._grid = Grid(task, slicing)
        self._sources = {source.name: source for source in sources}
        self._tracks = {source.name: Track(len(source.channels)) for source in sources}
        self._columns = {s.name: [task.channels.index(c) for c in s.channels] for s in sources}
        self._first = 0  # every window before this index is decided
        self._made: set[int] = set()  # windows after that which are made already
        self._touched: tuple[int, int] | None = None  # stamps of the readings since the last check
        self.watermark_ns: int | None = None
        """The highest stamp accepted so far."""
        self.incomplete = 0
        """Windows that have a reading but were not made because of a gap."""

    def is_ahead(self, now_ns: int) -> bool:
        """Whether a reading was taken that is too far ahead of the clock as it is now."""
        return self.watermark_ns is not None and self.watermark_ns > now_ns + self._slicing.ahead_ns

    @property
    def needed_from_ns(self) -> int:
        """The time before which no open window can use a reading."""
        return self._grid.start_of(self._first) - self._slicing.gap_ns

    def add(self, batch: Sequence[Readings], now_ns: int) -> AcceptedReadings:
        """Add the messages of ``batch``, in their order of arrival."""
        late_M, ahead_M = np.zeros(len(batch), np.int64), np.zeros(len(batch), np.int64)
        taken: dict[str, list[tuple[Integers, NDArray[np.floating]]]] = {}
        for place, message in enumerate(batch):
            is_ahead_N = message.times_N > now_ns + self._slicing.ahead_ns
            is_late_N = self._is_late(message) & ~is_ahead_N
            ahead_M[place], late_M[place] = is_ahead_N.sum(), is_late_N.sum()
            is_taken_N = ~(is_ahead_N | is_late_N)
            times_N, values_NC = message.times_N, message.values_NC
            if not is_taken_N.all():
                times_N, values_NC = times_N[is_taken_N], values_NC[is_taken_N]
            if len(times_N):
                taken.setdefault(message.sensor, []).append((times_N, values_NC))
                self._notice(times_N)
        for sensor, parts in taken.items():
            self._tracks[sensor].add(*(np.concatenate(p) for p in zip(*parts, strict=True)))
        return AcceptedReadings(late_M, ahead_M)

    def closed(self) -> list[Window]:
        """The windows made since the last call, sorted by start."""
        if self._touched is None or self.watermark_ns is None:
            return []
        windows = self._whole_ones(*self._touched)
        self._touched = None
        slack_ns = self._grid.span_ns + self._slicing.gap_ns + self._lateness_ns
        return windows + self._decide(self._grid.index_at(self.watermark_ns - slack_ns - 1))

    def finish(self) -> list[Window]:
        """Decide every window, as at the end of a recording."""
        windows = self.closed()
        if self.watermark_ns is None:
            return windows
        last = self._grid.index_at(self.watermark_ns + self._slicing.gap_ns)
        return windows + self._decide(last)

    @property
    def _lateness_ns(self) -> int:
        return round(self._slicing.lateness_s * SECOND)

    def _is_late(self, message: Readings) -> NDArray[np.bool_]:
        """Lateness by earlier messages only: the order within a message does not matter."""
        source = self._sources.get(message.sensor)
        if source is None or message.values_NC.shape[1] != len(source.channels):
            return np.ones(len(message.times_N), np.bool_)
        oldest = 0  # 1970: no stamp is earlier
        if self.watermark_ns is not None:
            oldest = max(oldest, self.watermark_ns - self._lateness_ns, self.needed_from_ns)
        return np.asarray(message.times_N < oldest)

    def _notice(self, times_N: Integers) -> None:
        low, high = int(times_N.min()), int(times_N.max())
        if self.watermark_ns is None:
            reach = self._grid.span_ns + self._slicing.gap_ns + self._lateness_ns
            self._first = self._grid.index_at(low - reach)
        self.watermark_ns = max(high, self.watermark_ns or high)
        before = self._touched or (low, high)
        self._touched = min(low, before[0]), max(high, before[1])

    def _whole_ones(self, low_ns: int, high_ns: int) -> list[Window]:
        """The open windows that readings from ``low_ns`` to ``high_ns`` completed."""
        newest = [track.newest_ns for track in self._tracks.values()]
        if None in newest:
            return []
        grid, gap_ns = self._grid, self._slicing.gap_ns
        reached = min(time for time in newest if time is not None) - grid.span_ns
        last = grid.index_at(min(reached, high_ns + gap_ns))
        candidates = self._open_between(grid.index_at(low_ns - grid.span_ns - gap_ns), last)
        widest = {s.name: self._whole_ns(s) for s in self._sources.values()}
        windows, _ = self._cut(candidates, widest)
        if windows:
            self._pass_made()
        return windows

    def _whole_ns(self, source: Source) -> int:
        """The widest gap between two of its readings in which none can be missing."""
        if source.rate_hz is None:
            return 0
        return min(int(_WHOLE * SECOND / source.rate_hz), self._slicing.gap_ns)

    def _decide(self, last: int) -> list[Window]:
        """Decide all windows up to index ``last``: their gaps can't be filled any more."""
        if last < self._first:
            return []
        candidates = self._open_between(self._first, last)
        widest = dict.fromkeys(self._sources, self._slicing.gap_ns)
        windows, in_part = self._cut(candidates, widest)
        self.incomplete += in_part
        self._first = last + 1
        self._made = {index for index in self._made if index > last}
        self._pass_made()
        return windows

    def _pass_made(self) -> None:
        """Advance to the first undecided window, and drop readings that no window needs."""
        while self._first in self._made:
            self._made.remove(self._first)
            self._first += 1
        for track in self._tracks.values():
            track.forget_before(self.needed_from_ns)

    def _open_between(self, first: int, last: int) -> list[int]:
        """Undecided windows from ``first`` to ``last`` that a reading lies in, or near."""
        first = max(first, self._first)
        if last < first:
            return []
        times_N = next(iter(self._tracks.values())).times_N
        origin, step_ns = self._grid.start_of(first), self._grid.step_ns
        back = math.ceil(self._grid.length_ns / step_ns)
        ahead = math.ceil(self._slicing.gap_ns / step_ns) + 1
        near = np.unique(np.floor((times_N - origin) / step_ns).astype(np.int64))
        found = np.unique(near[:, None] + np.arange(-back, ahead)) + first
        inside = found[(found >= first) & (found <= last)]
        return [index for index in inside.tolist() if index not in self._made]

    def _cut(self, indices: list[int], widest: Mapping[str, int]) -> tuple[list[Window], int]:
        """The windows of ``indices`` with no gap above its sensor's limit in ``widest``.

        Also the number of the others for which every sensor has some readings.
        """
        windows, in_part = list[Window](), 0
        for begin in range(0, len(indices), _AT_ONCE):
            some = indices[begin : begin + _AT_ONCE]
            starts_K = np.array([self._grid.start_of(index) for index in some], np.int64)
            values_KTC, share_K = self._resampled(starts_K, widest)
            for row in np.flatnonzero(share_K == 1).tolist():
                window = Window(self._task.name, int(starts_K[row]), values_KTC[row].copy())
                windows.append(window)
                self._made.add(some[row])
            in_part += int(((share_K > 0) & (share_K < 1)).sum())
        return windows, in_part

    def _resampled(
        self, starts_K: Integers, widest: Mapping[str, int]
    ) -> tuple[Floats, NDArray[np.float64]]:
        """Values (K, T, C), and the share (K,) of rows that the sparsest sensor can fill."""
        grid_KT = starts_K[:, None] + self._grid.offsets_T
        values_KTC = np.empty((*grid_KT.shape, len(self._task.channels)), np.float32)
        share_K = np.ones(len(starts_K))
        for name, track in self._tracks.items():
            between = track.at(grid_KT)
            values_KTC[..., self._columns[name]] = between.values_KTC
            share_K = np.minimum(share_K, (between.widths_KT <= widest[name]).mean(axis=1))
        return values_KTC, share_K


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
    for source in sources:
        if source.rate_hz is not None and not source.rate_hz * slicing.longest_gap_s >= 1:
            raise InvalidConfiguration(
                f"sensor {source.name} at {source.rate_hz:g} Hz",
                f"must send more often than the longest gap of {slicing.longest_gap_s:g} s",
                "Raise windows.longest_gap_s, or the sensor's rate",
            )
