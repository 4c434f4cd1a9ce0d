"""What a box's functions are fed with, and what comes of it, in the store's transactions."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from fl_client.functions.shown import Shown
from fl_client.functions.thread import FunctionThread
from fl_client.functions.ticks import Ticks
from fl_client.sensors import Readings
from fl_client.store.function_inbox import NO_MODEL_YET, FunctionInbox, InboxCounts
from fl_client.store.function_memory import FunctionMemory, Memories
from fl_client.windows import Window
from fl_common.functions.events import Event, Happening, Predicted, Reading, Tick
from fl_common.functions.events import Window as WindowEvent


class FunctionFeed:
    """Puts events into ``inbox``, and shows them to functions by ``thread``.

    Functions go on from ``memory``, so that a commit that failed has no effect on them. ``noted``
    is called after some have answered. What failed as no model served is shown again when what the
    function asks ``serves``: networks by name, or without any the model. Call it in the caller's
    transaction.
    """

    def __init__(
        self,
        thread: FunctionThread,
        inbox: FunctionInbox,
        memory: FunctionMemory,
        noted: Callable[[], None],
        serves: Callable[[Collection[str]], bool],
    ) -> None:
        self._thread, self._inbox, self._memory = thread, inbox, memory
        self._noted, self._ticks, self._serves = noted, Ticks(), serves
        self._lacking = inbox.lacking_model()  # functions with events that wait for a model
        self._may_wait = True  # events that were put before
        thread.restart(memory.found)

    def take(self) -> Sequence[Shown]:
        """What became of events since the last call; they are done, and what failed is kept.

        What was found is put for those functions that take it.
        """
        taken = self._thread.take()
        if not taken:
            return ()
        shown = [one.shown for one in taken]
        failed = [
            (failure.name, NO_MODEL_YET if failure.waits else failure.reason, one.event)
            for one in shown
            for failure in one.failed
        ]
        self._lacking |= {one.name for event in shown for one in event.failed if one.waits}
        self._inbox.done([one.number for one in taken], failed)
        memories: Memories = {key: m for one in shown for key, m in one.memories.items()}
        self._memory.write(memories)
        happenings = (happening for one in shown for happening in _happenings(one))
        if asked := self._asked(happenings):
            self._inbox.put_found(asked)
            self._may_wait = True
        self._noted()
        return shown

    def put(self, predictions: Sequence[Predicted]) -> None:
        """Let predictions wait for the functions that take them, and hand over what can be."""
        if len(self._thread.functions):
            self._put(predictions)
        elif self._may_wait:
            self._inbox.drop_unasked()
            self._may_wait = False
        self._show_again()
        self._thread.hand(self._inbox.after)

    def tick(self, now_ns: int) -> None:
        """Let the ticks wait that have come by the box's clock, which is believed.

        There is one for each stream of which any function remembers something.
        """
        if periods := self._thread.functions.named_in("tick"):
            for time_ns in self._ticks.since(periods, now_ns):
                streams = {stream for stream, _ in self._memory.found} or {""}
                self._put(Tick(time_ns, stream) for stream in sorted(streams))

    def put_windows(
        self, windows: Sequence[Window], channels: tuple[str, ...], length_ns: int
    ) -> None:
        """Let the values of windows wait for those that take them."""
        if windows and self._thread.functions.named_in("window"):
            self._put(_window_event(one, channels, length_ns) for one in windows)

    def put_readings(self, rows: Sequence[tuple[int, Readings]]) -> None:
        """Let readings of rows of the spool wait for those that take them, once each."""
        if not rows or not self._thread.functions.named_in("reading"):
            return
        before = self._inbox.read_to()
        newest = max(sequence for sequence, _ in rows)
        if newest > before:
            self._put(one for n, item in rows if n > before for one in _readings(item))
            self._inbox.has_read(newest)

    def retain(self, oldest_ns: int) -> None:
        """Drop what ended before ``oldest_ns``."""
        self._inbox.retain(oldest_ns)

    def counts(self) -> InboxCounts:
        """The counts of events at the functions, and of what these remember."""
        return replace(self._inbox.counts(), state_bytes=dict(self._memory.bytes))

    def _show_again(self) -> None:
        """Let what waited for a model wait for its function, if that runs, and what it asks serves.

        Another one that does not serve holds up those alone that ask it.
        """
        functions = self._thread.functions
        for name in sorted(self._lacking & {*functions.heard}):
            if self._serves(functions.asks(name)):
                self._inbox.show_again(name)
                self._lacking.discard(name)

    def _put(self, events: Iterable[Event]) -> None:
        if asked := self._asked(events):
            self._inbox.put(asked)
            self._may_wait = True

    def _asked(self, events: Iterable[Event]) -> list[Event]:
        """Those that any function takes."""
        takes = self._thread.functions.takes
        return [event for event in events if takes(event)]


def _happenings(shown: Shown) -> Iterator[Happening]:
    """What functions found in an event, as an event for others."""
    given = shown.event
    for name, event in shown.found:
        data = json.dumps(event.data)
        yield Happening(given.start_ns, given.end_ns, name, event.kind, data, given.stream)


def _window_event(window: Window, channels: tuple[str, ...], length_ns: int) -> WindowEvent:
    values, end_ns = window.values_TC.ravel().tolist(), window.start_ns + length_ns
    return WindowEvent(window.start_ns, end_ns, channels, values, window.stream)


def _readings(item: Readings) -> Iterator[Reading]:
    """A message's readings, in the order of their times."""
    values_NC = item.values_NC.tolist()
    for row in item.times_N.argsort(kind="stable"):
        time_ns = int(item.times_N[row])
        yield Reading(item.sensor, time_ns, tuple(values_NC[row]), item.stream)
