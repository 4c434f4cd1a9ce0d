"""Stored messages wait while the box's clock can't be believed.

What a time stamp means is only known by a clock: a reading from the future is lost, unless it is
the clock that is behind. So nothing is taken out of the spool until the clock is believed, and
sensors with clocks of their own help to tell.
"""

import sqlite3
from collections.abc import Sequence

from fl_client.clock.guard import ClockGuard, Instant
from fl_client.sensors import Annotation, Readings
from fl_client.store.known_time import KnownTime
from fl_client.store.spool import Arrival, Spool

Rows = list[tuple[int, Readings | Annotation]]
"""Rows of the spool, each with its sequence."""


class Hold:
    """Holds back messages in the spool while ``guard`` is in doubt."""

    def __init__(self, guard: ClockGuard) -> None:
        self._guard = guard

    def recall(self, connection: sqlite3.Connection) -> None:
        """Take the last time that was believed from the store of ``connection``."""
        self._known = KnownTime(connection)
        self._guard.recall(self._known.read())

    def keep(self, now: Instant) -> None:
        """Keep ``now``, which is believed, in the store; in the caller's transaction."""
        self._known.keep(now.wall_ns)

    def hear(self, arrivals: Sequence[Arrival], now: Instant) -> None:
        """Compare the clocks of those sensors that have one with the box's."""
        newest = {
            arrival.item.sensor: arrival.item
            for arrival in arrivals
            if isinstance(arrival.item, Readings) and arrival.item.own_times
        }
        for sensor, item in newest.items():
            self._guard.hear(sensor, newest_ns(item), now)

    def believes(self, now: Instant) -> bool:
        """Whether what can't be undone may be done."""
        return self._guard.believes(now)

    def rows(self, spool: Spool, limit: int, now: Instant) -> Rows:
        """The next rows to take in, at most ``limit``; none while the clock is in doubt."""
        if not self._guard.believes(now):
            return []
        rows = spool.waiting(limit)
        last = {item.sensor: item for _, item in rows if isinstance(item, Readings)}
        for sensor, item in last.items():
            self._guard.suppose(sensor, newest_ns(item), now)
        if rows and not self._guard.believes(now):
            spool.put_back(rows[0][0])
            return []
        return rows


def newest_ns(item: Readings) -> int:
    """The latest stamp of a message."""
    return int(item.times_N[-1] if len(item.times_N) == 1 else item.times_N.max())
