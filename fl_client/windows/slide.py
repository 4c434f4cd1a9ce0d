"""Cut windows from readings: a pure function of the readings, whatever order they arrive in.

A row of a window is interpolated linearly between the readings before and after it, channel by
channel, so that sensors of different rates meet on the task's grid; or it has the last value of a
channel that holds. A window is made as soon as no reading can be missing from it: each row lies on
a reading, or between two that are at most one and a half periods of the sensor's declared rate
apart. A window with a wider gap waits until readings that could fill the gap would be late. Then it
is made if the gap is within the longest gap, or the value not too old; else it is not made, and
counted.

The watermark is the time up to which all sensors have been heard: that of the sensor that is
furthest behind, so that one whose clock is fast makes no other's readings late. A sensor that sends
on change is not waited for, nor one that is behind another by more than a reading may be ahead of
the clock.

Whether a reading is late depends only on what arrived before it, never on when ``closed`` is
called, so any division into batches gives the same windows. Any order of arrival without late
readings does, too, for sensors without a declared rate, and for sensors with one whose stamps lie
at least three quarters of a period apart. (Completeness by event time: Akidau et al., "The dataflow
model", VLDB 2015.)
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Readings
from fl_client.windows import Slicing, Source, Window, sliced_for
from fl_client.windows.grid import Grid
from fl_client.windows.parts import HeldValue, check_sources, parts_of
from fl_client.windows.watermark import Watermark
from fl_common.vocabulary import Floats, Integers, Task

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
    """Cuts the windows of ``task`` from the readings of ``sources``, of one ``stream``.

    ``held`` is what an earlier assembler of the stream knew of the readings that it needed no more
    (``held_before``). Keeps the readings of the last window, the longest gap and the lateness, and
    of the time that one sensor is behind another; older ones are freed. For one thread at a time.

    Raises:
        InvalidConfiguration: a channel is not measured by exactly one source, a source is slower
            than the longest gap allows, or the task has no time axis.
    """

    def __init__(
        self,
        task: Task,
        sources: Sequence[Source],
        slicing: Slicing,
        stream: str = "",
        held: Sequence[HeldValue] = (),
    ) -> None:
        check_sources(task, sources, slicing)
        self._task, self._stream = task, stream
        sliced = sliced_for(slicing, sources)
        self._gap_ns, self._ahead_ns = sliced.gap_ns, sliced.ahead_ns
        self._lateness_ns = sliced.lateness_ns
        self._grid = Grid(task, slicing)
        self._sources = {source.name: source for source in sources}
        parts = [part for source in sources for part in parts_of(source, task, slicing)]
        self._parts = sorted(parts, key=lambda part: part.holds)
        self._watermark = Watermark(sources, self._ahead_ns)
        self._first = 0  # every window before this index is decided
        self._made: set[int] = set()  # windows after that which are made already
        self._touched: tuple[int, int] | None = None  # stamps of the readings since the last check
        self.incomplete = 0
        """Windows that have a reading but were not made because of a gap."""
        self._recall(held)

    @property
    def newest_ns(self) -> int:
        """The newest stamp of all readings that were taken; -1 if there is none."""
        return self._watermark.newest_ns

    @property
    def needed_from_ns(self) -> int:
        """The time before which no open window can use a reading, but for one that holds."""
        return self._grid.start_of(self._first) - self._gap_ns

    @property
    def watermark_ns(self) -> int | None:
        """The time up to which readings are complete, but for late ones; None: there are none."""
        return self._watermark.time_ns

    def take_merged(self) -> Counter[str]:
        """Readings since the last call of which another one of their instant took the place.

        By sensor; they differ in the value of a channel.
        """
        found = Counter[str]()
        for part in self._parts:
            found[part.source.name] += part.track.merged
            part.track.merged = 0
        return +found

    def held_before(self) -> list[HeldValue]:
        """The last values before ``needed_from_ns`` of the channels that hold."""
        return [
            HeldValue(part.source.name, self._task.channels[part.places[column]], time_ns, value)
            for part in self._parts
            if part.holds
            for column, time_ns, value in part.track.last_before(self.needed_from_ns)
        ]

    def add(self, batch: Sequence[Readings], now_ns: int) -> AcceptedReadings:
        """Add the messages of ``batch``, in their order of arrival."""
        late_M, ahead_M = np.zeros(len(batch), np.int64), np.zeros(len(batch), np.int64)
        taken: dict[str, list[tuple[Integers, NDArray[np.floating]]]] = {}
        for place, message in enumerate(batch):
            is_ahead_N = message.times_N > now_ns + self._ahead_ns
            is_late_N = self._is_late(message) & ~is_ahead_N
            ahead_M[place], late_M[place] = is_ahead_N.sum(), is_late_N.sum()
            is_taken_N = ~(is_ahead_N | is_late_N)
            times_N, values_NC = message.times_N, message.values_NC
            if not is_taken_N.all():
                times_N, values_NC = times_N[is_taken_N], values_NC[is_taken_N]
            if len(times_N):
                taken.setdefault(message.sensor, []).append((times_N, values_NC))
                self._notice(message.sensor, times_N)
        for sensor, pairs in taken.items():
            times_N, values_NC = (np.concatenate(p) for p in zip(*pairs, strict=True))
            for part in self._parts:
                if part.source.name == sensor:
                    own = values_NC if part.columns is None else values_NC[:, part.columns]
                    part.track.add(times_N, own)
        return AcceptedReadings(late_M, ahead_M)

    def closed(self) -> list[Window]:
        """The windows made since the last call."""
        if self._touched is None or self.watermark_ns is None:
            return []
        windows = self._whole_ones(*self._touched)
        self._touched = None
        slack_ns = self._grid.span_ns + self._gap_ns + self._lateness_ns
        return windows + self._decide(self._grid.index_at(self.watermark_ns - slack_ns - 1))

    def finish(self) -> list[Window]:
        """Decide every window, as at the end of a recording."""
        windows = self.closed()
        if self.watermark_ns is None:
            return windows
        last = self._grid.index_at(self._watermark.newest_ns + self._gap_ns)
        return windows + self._decide(last)

    def _is_late(self, message: Readings) -> NDArray[np.bool_]:
        """Lateness by earlier messages only: the order within a message does not matter."""
        source = self._sources.get(message.sensor)
        if source is None or message.values_NC.shape[1] != len(source.channels):
            return np.ones(len(message.times_N), np.bool_)
        oldest = 0  # 1970: no stamp is earlier
        if self.watermark_ns is not None:
            oldest = max(oldest, self.watermark_ns - self._lateness_ns, self.needed_from_ns)
        return np.asarray(message.times_N < oldest)

    def _notice(self, sensor: str, times_N: Integers) -> None:
        low, high = int(times_N.min()), int(times_N.max())
        if self.watermark_ns is None:
            reach_ns = self._grid.span_ns + self._gap_ns + self._lateness_ns
            others_ns = self._ahead_ns if len(self._sources) > 1 else 0
            self._first = self._grid.index_at(low - reach_ns - others_ns)
        self._watermark.note(sensor, high)
        before = self._touched or (low, high)
        self._touched = min(low, before[0]), max(high, before[1])

    def _recall(self, held: Sequence[HeldValue]) -> None:
        """Add values that hold from before; those of channels that hold no more have no effect."""
        for value in held:
            for part in self._parts:
                names = [self._task.channels[place] for place in part.places]
                if part.holds and part.source.name == value.sensor and value.channel in names:
                    values_1C = np.full((1, len(names)), np.nan)
                    values_1C[0, names.index(value.channel)] = value.value
                    part.track.add(np.array([value.time_ns], np.int64), values_1C)

    def _whole_ones(self, low_ns: int, high_ns: int) -> list[Window]:
        """The open windows that readings from ``low_ns`` to ``high_ns`` completed."""
        newest = [part.track.newest_ns for part in self._parts]
        if None in newest:
            return []
        grid, gap_ns = self._grid, self._gap_ns
        reached = min(time for time in newest if time is not None) - grid.span_ns
        last = grid.index_at(min(reached, high_ns + gap_ns))
        candidates = self._open_between(grid.index_at(low_ns - grid.span_ns - gap_ns), last)
        windows, _ = self._cut(candidates, at_once=True)
        if windows:
            self._pass_made()
        return windows

    def _decide(self, last: int) -> list[Window]:
        """Decide all windows up to index ``last``: their gaps can't be filled any more."""
        if last < self._first:
            return []
        candidates = self._open_between(self._first, last)
        windows, in_part = self._cut(candidates, at_once=False)
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
        for part in self._parts:
            part.track.forget_before(self.needed_from_ns)

    def _open_between(self, first: int, last: int) -> list[int]:
        """Undecided windows from ``first`` to ``last`` that the first part's readings can reach."""
        first = max(first, self._first)
        if last < first:
            return []
        part = self._parts[0]
        origin, step_ns = self._grid.start_of(first), self._grid.step_ns
        back = math.ceil(self._grid.length_ns / step_ns)
        ahead = math.ceil(max(part.limit_ns, self._gap_ns) / step_ns)
        near_N = np.unique(np.floor((part.track.times_N - origin) / step_ns).astype(np.int64))
        found, reached = list[int](), first - 1
        for near in (near_N + first).tolist():
            found += range(max(near - back, reached + 1), min(near + ahead, last) + 1)
            reached = max(reached, min(near + ahead, last))
        return [index for index in found if index not in self._made]

    def _cut(self, indices: list[int], *, at_once: bool) -> tuple[list[Window], int]:
        """The windows of ``indices`` in which nothing is missing, or ``at_once`` can be.

        Also the number of the others for which every sensor has some readings.
        """
        windows, in_part = list[Window](), 0
        for begin in range(0, len(indices), _AT_ONCE):
            some = indices[begin : begin + _AT_ONCE]
            starts_K = np.array([self._grid.start_of(index) for index in some], np.int64)
            values_KTC, share_K = self._resampled(starts_K, at_once)
            for row in np.flatnonzero(share_K == 1).tolist():
                values_TC = values_KTC[row].copy()
                start_ns = int(starts_K[row])
                windows.append(Window(self._task.name, start_ns, values_TC, self._stream))
                self._made.add(some[row])
            in_part += int(((share_K > 0) & (share_K < 1)).sum())
        return windows, in_part

    def _resampled(self, starts_K: Integers, at_once: bool) -> tuple[Floats, NDArray[np.float64]]:
        """Values (K, T, C), and the share (K,) of rows that the sparsest part can fill."""
        grid_KT = starts_K[:, None] + self._grid.offsets_T
        values_KTC = np.empty((*grid_KT.shape, len(self._task.channels)), np.float32)
        share_K = np.ones(len(starts_K))
        for part in self._parts:
            between = part.track.at(grid_KT)
            values_KTC[..., part.places] = between.values_KTC
            fills_KT = (
                between.widths_KT <= part.whole_ns if at_once else between.ages_KT <= part.limit_ns
            )
            share_K = np.minimum(share_K, fills_KT.mean(axis=1))
        return values_KTC, share_K
