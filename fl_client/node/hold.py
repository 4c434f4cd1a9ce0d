"""Stored messages wait while the box's clock can't be believed.

What a time stamp means is only known by a clock: a reading from the future is lost, unless it is
the clock that is behind. So nothing is taken out of the spool until the clock is believed, and
sensors with clocks of their own help to tell.
"""

import sqlite3
from collections.abc import Callable, Sequence

from fl_client.clock.guard import ClockGuard, Instant
from fl_client.sensors import Annotation, Readings
from fl_client.store.box_stamps import BoxStamps
from fl_client.store.known_time import KnownTime
from fl_client.store.spool import Spool
from fl_client.store.spool_identities import Appended, Arrival

Rows = list[tuple[int, Readings | Annotation]]
"""Rows of the spool, each with its sequence."""


class Hold:
    """Holds back messages in the spool while ``guard`` is in doubt; ``boot`` is the machine's run.

    What the box's clock stamps meanwhile is corrected once the clock is believed.
    """

    def __init__(self, guard: ClockGuard, boot: Callable[[], str]) -> None:
        self._guard, self._boot = guard, boot

    def recall(self, connection: sqlite3.Connection) -> None:
        """Take the last time that was believed from the store of ``connection``."""
        self._known = KnownTime(connection)
        self._guard.recall(self._known.read())
        self._stamps = BoxStamps(connection, self._boot())

    def keep(self, now: Instant) -> None:
        """Keep ``now``, which is believed, in the store; in the caller's transaction."""
        self._known.keep(now.wall_ns)

    def hear(self, arrivals: Sequence[Arrival], now: Instant) -> None:
        """Compare the clocks of those sensors that have one with the box's."""
        newest = {
            _source_of(arrival.item): arrival.item
            for arrival in arrivals
            if isinstance(arrival.item, Readings) and arrival.item.own_times
        }
        for source, item in newest.items():
            self._guard.hear(source, newest_ns(item), now)

    def believes(self, now: Instant) -> bool:
        """Whether what can't be undone may be done."""
        return self._guard.believes(now)

    def store(self, spool: Spool, arrivals: Sequence[Arrival], now: Instant) -> Appended:
        """Append to ``spool``, and note what a clock in doubt has stamped."""
        if self._guard.believes(now):
            return spool.append(arrivals)
        newest = self._stamps.newest()
        appended = spool.append(arrivals)
        items = (item for item, *_ in arrivals)
        ids = {item.id for item in items if isinstance(item, Readings) and not item.own_times}
        if ids:
            self._stamps.note(ids, newest, now.offset_ns)
        return appended

    def rows(self, spool: Spool, limit: int, now: Instant) -> Rows:
        """The next rows to take in, at most ``limit``; none while the clock is in doubt."""
        if not self._guard.believes(now):
            return []
        self._settle(spool, now)
        rows = spool.waiting(limit)
        last = {_source_of(item): item for _, item in rows if isinstance(item, Readings)}
        for source, item in last.items():
            self._guard.suppose(source, newest_ns(item), now)
        if rows and not self._guard.believes(now):
            spool.put_back(rows[0][0])
            return []
        return rows

    def _settle(self, spool: Spool, now: Instant) -> None:
        """Correct what a clock in doubt has stamped; what nobody can correct is lost."""
        beyond = self._stamps.settle(now.offset_ns)
        if beyond is not None:
            spool.lose(beyond, "clock")
            spool.put_back()


def newest_ns(item: Readings) -> int:
    """The latest stamp of a message."""
    return int(item.times_N[-1] if len(item.times_N) == 1 else item.times_N.max())


def _source_of(item: Readings) -> str:
    """The device that a message is of: a sensor has one in each stream."""
    return f"{item.sensor} of {item.stream}" if item.stream else item.sensor
