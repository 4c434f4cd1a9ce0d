"""Events that wait for the broker, in the site's store.

An event is written in the transaction of what it tells of, and removed once the broker has it. So
at any instant, even after ``kill -9``, in events:

    made = published + waiting + dropped

At most ``limit`` predictions wait. Beyond that the oldest events are dropped, counted as ``full``.
As many events of each function wait; further ones are dropped as ``function``, so that no
prediction is for what a function tells. An event above 64 KiB is never sent and counted as
``size``; without a broker all are, as ``no_broker``. What the broker refuses is dropped for its
reason.

One thread at a time may call it.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fl_client.store.database import transaction
from fl_common.configuration.rules import require, whole
from fl_common.wire.cloud_events import CloudEvent, from_structured, to_structured

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox_count (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_function (
    number INTEGER PRIMARY KEY REFERENCES outbox ON DELETE CASCADE, name TEXT NOT NULL);
"""
"""``outbox``: an event as structured JSON. ``outbox_count``: see ``EventCounts``.
``outbox_function``: of those events that are of a function, which one."""
_DROPPED = "dropped:"
"""The prefix of the name of a count of dropped events; the reason follows."""
_LARGEST = 64 * 1024  # bytes; a broker that refuses a packet for its size ends the connection
_AT_ONCE = 500


class NewEvent(NamedTuple):
    """An event for ``topic``, of a prediction or of a ``function``."""

    topic: str
    event: CloudEvent
    function: str | None = None


class WaitingEvent(NamedTuple):
    """An event for ``topic``; later ones have higher numbers, and no number is used twice."""

    number: int
    topic: str
    event: CloudEvent


@dataclass(frozen=True)
class EventCounts:
    """Events since the store was made: ``made`` = ``published`` + ``waiting`` + dropped.

    ``dropped`` by reason: ``full``, ``function``, ``size``, ``no_broker``, or the broker's word for
    its refusal.
    """

    made: int
    published: int
    waiting: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class PublishProgress:
    """How far publishing is: the events that the broker has or refused, and which come next.

    ``settled`` are the numbers of the former, with the reason of a refusal; of the events after
    number ``after``, at most ``room`` are asked for. ``flows``: the broker took the last ones.
    """

    settled: Sequence[tuple[int, str | None]] = ()
    after: int = 0
    room: int = 0
    flows: bool = False


class StoredEvents:
    """The events in the store of ``connection``; ``has_broker`` is false if none is configured.

    Raises:
        InvalidConfiguration: a limit below 1.
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, limit: int, *, has_broker: bool) -> None:
        require("events.waiting", limit, whole(1))
        self._connection, self._limit, self._has_broker = connection, limit, has_broker
        self._newest: list[WaitingEvent] = []
        self.dropped_to = 0
        """The highest number of an event that was dropped since the store was opened."""
        with transaction(connection):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)

    def put(self, events: Sequence[NewEvent]) -> None:
        """Store ``events`` in the caller's transaction."""
        self._newest = []
        if not events:
            return
        with transaction(self._connection):
            changes = Counter({"made": len(events)})
            if self._has_broker:
                self._insert(self._fitting(events, changes))
                changes["waiting"] = len(self._newest)
            else:
                changes[f"{_DROPPED}no_broker"] = len(events)
            self._add(changes)
            self._drop_oldest()

    def _fitting(
        self, events: Sequence[NewEvent], changes: Counter[str]
    ) -> list[tuple[NewEvent, bytes]]:
        """Those that may wait, with their content; the others are counted in ``changes``."""
        waiting = self._of_functions() if any(one.function for one in events) else Counter[str]()
        fitting = []
        for one in events:
            content = to_structured(one.event)
            if len(content) > _LARGEST:
                changes[f"{_DROPPED}size"] += 1
            elif one.function is not None and waiting[one.function] >= self._limit:
                changes[f"{_DROPPED}function"] += 1
            else:
                fitting.append((one, content))
                waiting.update([one.function] if one.function is not None else ())
        return fitting

    def _insert(self, fitting: Sequence[tuple[NewEvent, bytes]]) -> None:
        first = self._last_number() + 1
        self._connection.executemany(
            "INSERT INTO outbox VALUES (?, ?, ?)",
            [(first + n, one.topic, content) for n, (one, content) in enumerate(fitting)],
        )
        named = [(first + n, one.function) for n, (one, _) in enumerate(fitting) if one.function]
        self._connection.executemany("INSERT INTO outbox_function VALUES (?, ?)", named)
        self._newest = [WaitingEvent(first + n, *one[:2]) for n, (one, _) in enumerate(fitting)]

    def _of_functions(self) -> Counter[str]:
        """How many events of each function wait."""
        sql = "SELECT name, count(*) FROM outbox_function GROUP BY name"
        return Counter(dict(self._connection.execute(sql)))

    def settle(self, settled: Sequence[tuple[int, str | None]]) -> None:
        """Remove events that the broker has or refused, in the caller's transaction."""
        self._newest = []
        with transaction(self._connection):
            for reason in dict.fromkeys(reason for _, reason in settled):
                removed = self._remove([number for number, why in settled if why == reason])
                became = "published" if reason is None else f"{_DROPPED}{reason}"
                self._add({became: removed, "waiting": -removed})

    def _remove(self, numbers: Sequence[int]) -> int:
        """Delete events; the number that existed."""
        removed = 0
        for start in range(0, len(numbers), _AT_ONCE):
            part = numbers[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            removed += self._connection.execute(
                f"DELETE FROM outbox WHERE number IN ({marks})", part
            ).rowcount
        return removed

    def after(self, number: int, limit: int) -> list[WaitingEvent]:
        """The next ``limit`` events after ``number``, in order.

        Those of the last ``put`` are not read again.
        """
        if limit <= 0:
            return []
        if self._newest and self._newest[0].number == number + 1 > self.dropped_to:
            return self._newest[:limit]
        rows = self._connection.execute(
            "SELECT number, topic, event FROM outbox WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [WaitingEvent(n, topic, from_structured(body)) for n, topic, body in rows]

    def room(self) -> int:
        """How many more predictions may wait without a loss; 0 if less than half of the limit."""
        left = self._limit - self._predictions()
        return left if 2 * left >= self._limit else 0

    def _predictions(self) -> int:
        """How many events wait that are of no function."""
        found = self._connection.execute("SELECT count(*) FROM outbox_function")
        (of_functions,) = found.fetchone()
        return _values_of(self._connection).get("waiting", 0) - int(of_functions)

    def counts(self) -> EventCounts:
        """Counts of the events that were made, by what became of them."""
        return counts_of(self._connection)

    def _drop_oldest(self) -> None:
        excess = self._predictions() - self._limit
        if excess <= 0:
            return
        (self.dropped_to,) = self._connection.execute(
            "SELECT number FROM outbox WHERE number NOT IN (SELECT number FROM outbox_function)"
            " ORDER BY number LIMIT 1 OFFSET ?",
            (excess - 1,),
        ).fetchone()
        dropped = self._connection.execute(
            "DELETE FROM outbox WHERE number <= ?", (self.dropped_to,)
        ).rowcount
        self._add({"waiting": -dropped, f"{_DROPPED}full": dropped})

    def _last_number(self) -> int:
        """The highest number ever given to an event."""
        found = self._connection.execute(
            "SELECT seq FROM main.sqlite_sequence WHERE name = 'outbox'"
        )
        (number,) = found.fetchone() or (0,)
        return int(number)

    def _add(self, changes: Mapping[str, int]) -> None:
        self._connection.executemany(
            "INSERT INTO outbox_count VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, change) for name, change in changes.items() if change],
        )


def counts_of(connection: sqlite3.Connection) -> EventCounts:
    """The counts of the events in a store, for readers that don't write, too."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    values = _values_of(connection) if "outbox_count" in tables else {}  # none: no node ran yet
    dropped = {
        name.removeprefix(_DROPPED): value
        for name, value in values.items()
        if name.startswith(_DROPPED)
    }
    made, published, waiting = (values.get(name, 0) for name in ("made", "published", "waiting"))
    return EventCounts(made, published, waiting, dropped)


def _values_of(connection: sqlite3.Connection) -> dict[str, int]:
    """The counts by name, as they are stored."""
    return dict(connection.execute("SELECT name, value FROM outbox_count"))
