"""From stored messages to predictions: the work of a node's worker thread.

One call of ``advance`` takes all messages that wait and commits once: the messages in the spool,
the windows they completed, the rows that no open window needs any more, the predictions of these
windows, and the events that follow from them. So a crash at any instant leaves a consistent state,
from which a new pipeline continues: open windows are rebuilt from the waiting rows, and windows
without a prediction are predicted. A window is made and predicted exactly once.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from fl_client.clock.guard import Instant
from fl_client.functions.shown import Shown
from fl_client.inference.events import predicted_of
from fl_client.node.hold import Hold, newest_ns
from fl_client.node.path import Path, PathCounts, PredictedWindow
from fl_client.sensors import MOST_AHEAD_NS, Annotation, Readings
from fl_client.store.database import transaction
from fl_client.store.outbox import PublishProgress, WaitingEvent
from fl_client.store.spool_identities import Appended, Arrival
from fl_client.store.windows import Mark, Retention
from fl_client.windows import Place, Window
from fl_common.errors import NoModel

_ROWS_AT_ONCE = 4000
"""Spool rows processed by one call: bounds the time and memory of catching up after a restart."""
_PREDICTED_AT_ONCE = 256
_EVENTS_OF_A_WINDOW = 4
"""For which there must be room in the outbox: a prediction, and what functions make of it."""


@dataclass
class PipelineStep:
    """The result of one call with ``arrivals``: what the spool kept, and what came of it.

    ``readings`` are those taken from the spool, by sensor, ``late`` and ``ahead`` how many were so.
    ``outcomes`` are, of the messages taken from the spool, the sensor, the number of readings, and
    the reason if none of them can be used. ``surplus`` are readings of streams for which there was
    no room, ``streams`` how many there are. ``merged`` are, by sensor, readings of which a value
    gave way to another one of the same instant. ``unused_labels`` are, by
    reason, those that tell nothing of this task. ``held``: all wait, as the clock can't be
    believed. ``wrote``: something was committed to the disk. ``unanswered`` windows have no finite
    prediction. ``shown`` is what became of windows at the functions. ``outgoing`` events are the
    next to publish; those up to number ``dropped_to`` are no more.
    """

    arrivals: Sequence[Arrival]
    appended: Appended
    held: bool = False
    wrote: bool = False
    readings: dict[str, int] = field(default_factory=dict)
    outcomes: list[tuple[str, int, str | None]] = field(default_factory=list)
    late: int = 0
    ahead: int = 0
    surplus: int = 0
    merged: Mapping[str, int] = field(default_factory=dict)
    streams: int = 0
    unused_labels: Counter[str] = field(default_factory=Counter)
    windows: int = 0
    answers: list[PredictedWindow] = field(default_factory=list)
    shown: Sequence[Shown] = ()
    outgoing: list[WaitingEvent] = field(default_factory=list)
    dropped_to: int = 0
    unanswered: int = 0
    seconds: float = 0.0


class Pipeline:
    """One site's pipeline. ``open_path`` builds its stages from the store, also after an error.

    What came waits in the store where ``hold`` says so. For one thread at a time.
    """

    def __init__(self, open_path: Callable[[], Path], hold: Hold) -> None:
        self._open_path, self._hold = open_path, hold
        self._open()

    def _open(self) -> None:
        self._path = self._open_path()
        self._hold.recall(self._path.connection)
        self._whole = True
        self._needed: dict[str, list[tuple[int, int]]] = {}  # newest stamp, sequence: heaps
        self._backlog = True  # windows in the store may wait for a prediction
        self._asked_to: Place | None = None  # the place up to which they were read
        self._has_model = True
        self.behind = True
        """Whether rows may still wait: call ``advance`` again."""

    def _close(self) -> None:
        self._whole = False
        self._path.connection.close()

    def advance(
        self, arrivals: Sequence[Arrival], progress: PublishProgress, now: Instant
    ) -> PipelineStep:
        """Store ``arrivals``, durably, with the predictions of the windows that they complete.

        ``progress`` is that of publishing. ``now`` is by the box's clocks.

        Raises:
            StoreFull, StoreError: the call has had no effect; the next call starts from the
                state of the store.
        """
        self._hold.hear(arrivals, now)
        if self._whole and self._was_ahead(now):
            self._close()
        if not self._whole:
            self._open()
        before = self._path.connection.total_changes
        try:
            with transaction(self._path.connection):
                appended = _NOTHING
                if arrivals:
                    appended = self._hold.store(self._path.spool, arrivals, now)
                done = PipelineStep(arrivals, appended)
                self._path.outbox.settle(progress.settled)
                done.unused_labels = self._path.take_labels()
                windows = self._path.maker.make(self._take_in(done, now))
                done.windows = len(windows)
                self._path.functions.put_windows(windows, *self._path.about_windows)
                self._predict(windows, done, progress)
                if self._hold.believes(now):
                    self._path.functions.tick(now.wall_ns)
                done.shown = self._path.follow(done.answers, now.wall_ns)
                done.outgoing = self._path.outbox.after(progress.after, progress.room)
                done.dropped_to = self._path.outbox.dropped_to
        except BaseException:
            self._close()
            raise
        done.wrote = self._path.connection.total_changes > before
        done.streams = len(self._path.streams)
        return done

    def swap(self) -> bool:
        """Let the engine swap to the slot's version; True if another model serves now."""
        changed = self._path.engine.swap()
        if changed:
            self._backlog, self._asked_to, self._has_model = True, None, True
        if self._whole and self._path.is_outdated(self._path.engine.shape):
            self._close()
            self._open()
        return changed

    def retain(self, retention: Retention, now: Instant) -> int:
        """Remove windows that are too old or too many; the number removed.

        None is where the clock can't be believed, and where it can its time is kept.
        """
        if not self._hold.believes(now):
            return 0
        with transaction(self._path.connection):
            self._hold.keep(now)
            self._path.functions.retain(retention.oldest_ns(now.wall_ns))
            self._path.maker.retain(retention.oldest_ns(now.wall_ns))
            return self._path.windows.retain(retention, now.wall_ns)

    def counts(self) -> PathCounts:
        """The store's counts."""
        return self._path.counts()

    def _was_ahead(self, now: Instant) -> bool:
        """Whether the clock was set back behind what was taken in before, and is right now.

        Readings that come would be late until it is as far again. So what waits is taken in anew,
        by the clock as it is now.
        """
        return self._path.streams.is_ahead(now.wall_ns) and self._hold.believes(now)

    def _take_in(self, done: PipelineStep, now: Instant) -> list[Window]:
        """Take what waits out of the spool; the windows that are cut of it."""
        path = self._path
        if not path.maker.has_room:
            self.behind = False  # goes on when the shape has answered
            return []
        rows = self._hold.rows(path.spool, _ROWS_AT_ONCE, now)
        done.held = not rows and not self._hold.believes(now)
        self.behind = len(rows) == _ROWS_AT_ONCE
        if not rows:
            return []
        self._annotate([(s, item) for s, item in rows if isinstance(item, Annotation)], done, now)
        self._add([(s, item) for s, item in rows if isinstance(item, Readings)], done, now.wall_ns)
        windows = path.streams.closed()
        done.merged = path.streams.take_merged()
        path.spool.done(self._used_up())
        return windows

    def _annotate(
        self, rows: Sequence[tuple[int, Annotation]], done: PipelineStep, now: Instant
    ) -> None:
        """Add annotations; one of a time that is days ahead is lost."""
        if not rows:
            return
        latest_ns = now.wall_ns + MOST_AHEAD_NS
        usable = [(sequence, item) for sequence, item in rows if item.to_ns <= latest_ns]
        done.unused_labels.update(self._path.maker.annotate([item for _, item in usable]))
        self._path.spool.done([sequence for sequence, _ in usable])
        if len(usable) < len(rows):
            ahead = [sequence for sequence, item in rows if item.to_ns > latest_ns]
            self._path.spool.lose(ahead, "ahead")

    def _add(self, rows: Sequence[tuple[int, Readings]], done: PipelineStep, now_ns: int) -> None:
        """Add readings to their streams; a message with no usable reading is lost."""
        if not rows:
            return
        items = [item for _, item in rows]
        taken = self._path.streams.add(items, now_ns)
        done.late, done.ahead = int(taken.late_M.sum()), int(taken.ahead_M.sum())
        done.surplus = int(taken.surplus_M.sum())
        kept: list[tuple[int, Readings]] = []
        lost: dict[str, list[int]] = {}
        for (sequence, item), reason in zip(rows, taken.losses(items), strict=True):
            count = len(item.times_N)
            done.readings[item.sensor] = done.readings.get(item.sensor, 0) + count
            done.outcomes.append((item.sensor, count, reason))
            if reason is None:
                heappush(self._needed.setdefault(item.stream, []), (newest_ns(item), sequence))
                kept.append((sequence, item))
            else:
                lost.setdefault(reason, []).append(sequence)
        self._path.functions.put_readings(kept)
        for reason, sequences in lost.items():
            self._path.spool.lose(sequences, reason)

    def _used_up(self) -> list[int]:
        """The rows whose readings no open window can use."""
        used = []
        for stream, rows in list(self._needed.items()):
            before_ns = self._path.streams.needed_from_ns(stream)
            while rows and (before_ns is None or rows[0][0] < before_ns):
                used.append(heappop(rows)[1])
            if not rows:
                del self._needed[stream]
        return used

    def _predict(self, new: list[Window], done: PipelineStep, progress: PublishProgress) -> None:
        """Predict the new windows; while older ones wait in the store, predict those in turn."""
        if not self._has_model:
            return
        windows = self._next(new, progress)
        if not windows:
            return
        try:
            values_N = np.stack([window.values_TC for window in windows])
            prediction = self._path.engine.predict(values_N, self._path.shape)
        except NoModel:
            self._backlog = True
            self._has_model = False
            return
        done.seconds = prediction.seconds
        self._path.see(values_N, prediction)
        is_answered_N, rows = prediction.answered_N, prediction.answers_ND.tolist()
        marks = self._path.windows.marks_of(prediction.answers_ND, is_answered_N)
        self._path.windows.predicted(map(Mark.of, windows, marks))
        for row, (window, row_K) in enumerate(zip(windows, rows, strict=True)):
            if not is_answered_N[row]:
                done.unanswered += 1
                continue
            end_ns = window.start_ns + self._path.windows.length_ns
            span = window.start_ns, end_ns
            predicted = predicted_of(self._path.task, prediction, row_K, span, window.stream)
            done.answers.append(PredictedWindow(window.start_ns, prediction, row, predicted))

    def _next(self, new: list[Window], progress: PublishProgress) -> list[Window]:
        """The windows to predict now.

        In a burst windows come faster than the broker takes predictions. Those that the outbox has
        no room for wait in the store; where the broker takes no events, none waits.
        """
        most = self._path.most_at_once(_PREDICTED_AT_ONCE)
        if progress.flows:
            room = self._path.outbox.room()
            most = min(most, room and max(1, room // _EVENTS_OF_A_WINDOW))
            if len(new) > most:
                self._backlog, self._asked_to = True, None
            if not most:
                return []
        return self._waiting(new, most) if self._backlog else new

    def _waiting(self, new: list[Window], most: int) -> list[Window]:
        """The next windows in the store without a prediction, and new windows before those."""
        found = self._path.windows.unpredicted(most, self._asked_to)
        before = self._asked_to
        early = [window for window in new if before is not None and window.place <= before]
        self._backlog = len(found) == most
        self.behind |= self._backlog
        if found:
            self._asked_to = found[-1].place
        return early + found


_NOTHING = Appended(0, 0, {})
