"""The streams of a box: each has windows of its own, on a grid and a watermark of its own.

A stream is one subject, such as a machine, a person or a room, of which sensors' readings together
make windows. A box has one stream without a name, or as many as its sensors' topics name
(``fl_client.sensors.topics``). They are found as their readings come, up to a number; a stream that
has been silent for a day makes room for a new one.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fl_client.sensors import Readings
from fl_client.windows import MOST_STREAMS, SECOND, Slicing, Source, Window
from fl_client.windows.frames import Frames
from fl_client.windows.parts import HeldValue, check_sources
from fl_client.windows.slide import Assembler
from fl_common.configuration.rules import require, whole
from fl_common.vocabulary import Integers, Task

SURPLUS = "streams"
"""The reason of the loss of a message whose stream is one more than there may be."""
_SILENT_NS = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class TakenReadings:
    """What became of a batch's M messages, in readings that were dropped from each.

    ``late_M`` and ``ahead_M`` are as in ``AcceptedReadings``; ``surplus_M`` are those of a stream
    for which there is no room.
    """

    late_M: Integers
    ahead_M: Integers
    surplus_M: Integers

    def losses(self, batch: Sequence[Readings]) -> list[str | None]:
        """For each message of ``batch`` why none of its readings is used; None: some are."""
        unused_M = self.late_M + self.ahead_M + self.surplus_M
        found: list[str | None] = [None] * len(batch)
        for place in unused_M.nonzero()[0].tolist():
            if unused_M[place] == len(batch[place].times_N):
                ahead, surplus = self.ahead_M[place], self.surplus_M[place]
                found[place] = SURPLUS if surplus else "ahead" if ahead else "late"
        return found


Keep = Callable[[Mapping[str, Sequence[HeldValue]]], None]
"""Keeps the last values of channels that hold, by stream."""


@dataclass
class _Stream:
    assembler: Assembler | Frames
    heard_ns: int


class Streams:
    """At most ``most`` streams at a time, each with an ``Assembler`` of the other arguments.

    Of a task of pictures it is ``Frames``.

    ``held`` has by stream what channels held before, and ``keep`` gets what changes of that with
    each ``closed``: see ``Assembler.held_before``. For one thread at a time.

    Raises:
        InvalidConfiguration: ``most`` is below 1 or above ``MOST_STREAMS``, or what an
            ``Assembler`` can't be made of.
    """

    def __init__(
        self,
        task: Task,
        sources: Sequence[Source],
        slicing: Slicing,
        most: int,
        held: Mapping[str, Sequence[HeldValue]],
        keep: Keep,
    ) -> None:
        require("most_streams", most, whole(1, MOST_STREAMS))
        check_sources(task, sources, slicing)
        self._make: Callable[..., Assembler | Frames] = partial(
            Frames if task.is_of_pictures else Assembler, task, sources, slicing
        )
        self._most = most
        self._streams: dict[str, _Stream] = {}
        self._held, self._keep = {**held}, keep
        self._changed: dict[str, None] = {}  # in the order of their first messages
        self._holds = any(source.held for source in sources)
        self._to_keep: dict[str, list[HeldValue]] = {}
        self._merged = Counter[str]()
        self._ended: list[Window] = []  # windows of streams that have ended
        self._ahead_ns, self._newest_ns = slicing.ahead_ns, -1

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, batch: Sequence[Readings], now_ns: int) -> TakenReadings:
        """Add the messages of ``batch``, in their order of arrival at ``now_ns`` since 1970."""
        by_stream = _by_stream(batch)
        if len(by_stream) == 1:
            return self._added(batch[0].stream, batch, now_ns)
        found = TakenReadings(*np.zeros((3, len(batch)), np.int64))
        for name, places in by_stream.items():
            taken = self._added(name, [batch[place] for place in places], now_ns)
            found.late_M[places], found.ahead_M[places] = taken.late_M, taken.ahead_M
            found.surplus_M[places] = taken.surplus_M
        return found

    def _added(self, name: str, batch: Sequence[Readings], now_ns: int) -> TakenReadings:
        """Add messages of one stream."""
        none_M = np.zeros(len(batch), np.int64)
        stream = self._stream(name, now_ns)
        if stream is None:
            surplus_M = np.array([len(message.times_N) for message in batch], np.int64)
            return TakenReadings(none_M, none_M, surplus_M)
        self._changed[name] = None
        taken = stream.assembler.add(batch, now_ns)
        self._newest_ns = max(self._newest_ns, stream.assembler.newest_ns)
        return TakenReadings(taken.late_M, taken.ahead_M, none_M)

    def closed(self) -> list[Window]:
        """The windows made since the last call, each stream's in the order they were made."""
        windows, self._ended = self._ended, []
        for name in self._changed:
            if (stream := self._streams.get(name)) is not None:
                windows += stream.assembler.closed()
                self._note(name, stream.assembler)
        self._changed.clear()
        if self._to_keep:
            self._keep(self._to_keep)
            self._to_keep = {}
        return windows

    def take_merged(self) -> Counter[str]:
        """See ``Assembler.take_merged``; of all streams, as of the last ``closed``."""
        found, self._merged = self._merged, Counter()
        return found

    def _note(self, name: str, made: Assembler | Frames) -> None:
        """Note which readings were merged, and values of which they are needed no more."""
        self._merged += made.take_merged()
        if self._holds and (held := made.held_before()) != self._held.get(name, []):
            self._held[name] = self._to_keep[name] = held

    def is_ahead(self, now_ns: int) -> bool:
        """Whether a reading was taken that is too far ahead of the clock as it is now."""
        return self._newest_ns > now_ns + self._ahead_ns

    def needed_from_ns(self, name: str) -> int | None:
        """The time before which no open window of the stream can use a reading; None: none can."""
        stream = self._streams.get(name)
        return None if stream is None else stream.assembler.needed_from_ns

    def _stream(self, name: str, now_ns: int) -> _Stream | None:
        """The stream of that name, which is new if need be; None if there is no room for it."""
        found = self._streams.get(name)
        if found is None:
            if len(self._streams) >= self._most and not self._end_silent(now_ns):
                return None
            found = self._streams[name] = _Stream(
                self._make(name, self._held.get(name, ())), now_ns
            )
        found.heard_ns = now_ns
        return found

    def _end_silent(self, now_ns: int) -> bool:
        """End the stream that has been silent for longest, if that is a day; whether one was."""
        name, oldest = min(self._streams.items(), key=lambda item: item[1].heard_ns)
        if now_ns - oldest.heard_ns < _SILENT_NS:
            return False
        self._ended += oldest.assembler.finish()
        self._note(name, oldest.assembler)
        del self._streams[name]
        return True


def _by_stream(batch: Sequence[Readings]) -> dict[str, list[int]]:
    """The places in ``batch`` of each stream's messages."""
    found: dict[str, list[int]] = {}
    for place, message in enumerate(batch):
        found.setdefault(message.stream, []).append(place)
    return found
