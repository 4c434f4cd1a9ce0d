"""Events that wait to be shown to functions, and letters: those that a function failed at.

An event, such as a prediction, is put here in the transaction of what it tells of, and taken out in
the one that stores what functions found in it. So at any instant, even after ``kill -9``:

    put = done + waiting + dropped

At most ``limit`` wait; beyond that the oldest are dropped, as ``full``. A letter is kept until
somebody tries it again or throws it away; beyond ``MOST_LETTERS`` or ``MOST_LETTER_BYTES`` the
oldest go, first of those that wait for a model (``NO_MODEL_YET``), which are tried again as soon as
one serves. These, and those of before windows that are kept, are counted as ``full`` and ``old``,
too. Neither is kept for longer than windows are; those that wait are dropped as ``old`` then, and
as ``no_function`` where there is none to see them. What functions find for each other fills half of
the room at most, and is dropped as ``chain`` beyond.

One thread at a time may call it.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fl_client.store.database import transaction
from fl_common.configuration.rules import require, whole
from fl_common.functions.events import Event, from_stored, to_stored

SCHEMA = """
CREATE TABLE IF NOT EXISTS function_inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, end_ns INTEGER NOT NULL,
    predicted BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS function_count (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS function_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, reason TEXT NOT NULL,
    end_ns INTEGER NOT NULL, predicted BLOB NOT NULL);
"""
"""``name`` in the inbox: the only function that is shown the event, again; NULL: all are."""
_DROPPED = "dropped:"
"""The prefix of the name of a count of dropped events; the reason follows."""
_LETTERS = "letters:"
"""The prefix of the name of a count of letters that are gone; the reason follows."""
_READ_TO = "read_to"
NO_MODEL_YET = "no model served; it is shown again as soon as one does"
"""The reason of the letters of what a function asked a model about while there was none."""
MOST_LETTERS = 1000
MOST_LETTER_BYTES = 16 << 20


class WaitingEvent(NamedTuple):
    """An event; later ones have higher numbers. ``only``: the function it is for."""

    number: int
    only: str | None
    event: Event


class Letter(NamedTuple):
    """An event that the function ``name`` failed at, and why."""

    number: int
    name: str
    reason: str
    event: Event


@dataclass(frozen=True)
class InboxCounts:
    """Events since the store was made: ``put`` = ``done`` + ``waiting`` + dropped.

    ``dropped`` are these by reason, ``letters`` those that are kept now, by function, and
    ``state_bytes`` what each remembers. ``letters_dropped`` are letters that went by themselves,
    by reason.
    """

    put: int
    done: int
    waiting: int
    dropped: Mapping[str, int]
    letters: Mapping[str, int]
    state_bytes: Mapping[str, int] = field(default_factory=dict)
    letters_dropped: Mapping[str, int] = field(default_factory=dict)


class FunctionInbox:
    """The inbox and the letters in the store of ``connection``.

    Raises:
        InvalidConfiguration: a limit below 1.
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, limit: int) -> None:
        require("function_host.waiting", limit, whole(1))
        self._connection, self._limit = connection, limit
        with transaction(connection):
            for statement in SCHEMA.split(";"):
                connection.execute(statement)

    def put(self, events: Sequence[Event]) -> None:
        """Let events wait, in the caller's transaction."""
        if events:
            rows = [(None, event.end_ns, _body(event)) for event in events]
            _put(self._connection, rows, self._limit)

    def put_found(self, events: Sequence[Event]) -> None:
        """Let what functions found wait for others, in the caller's transaction.

        One window may become a million events of a chain; they push none of another's out.
        """
        room = max(0, (self._limit + 1) // 2 - self.counts().waiting)
        self.put(events[:room])
        if (more := len(events) - room) > 0:
            _add(self._connection, {"put": more, f"{_DROPPED}chain": more})

    def read_to(self) -> int:
        """The last row of the spool whose readings were put."""
        found = self._connection.execute(
            "SELECT value FROM function_count WHERE name = ?", (_READ_TO,)
        ).fetchone()
        return int(found[0]) if found else 0

    def has_read(self, row: int) -> None:
        """Note that the readings up to this row were put, in the caller's transaction."""
        self._connection.execute(
            "INSERT OR REPLACE INTO function_count VALUES (?, ?)", (_READ_TO, row)
        )

    def after(self, number: int, limit: int) -> list[WaitingEvent]:
        """The next ``limit`` windows after ``number``, in order."""
        rows = self._connection.execute(
            "SELECT number, name, predicted FROM function_inbox WHERE number > ? ORDER BY number"
            " LIMIT ?",
            (number, limit),
        )
        return [WaitingEvent(n, name, _event(body)) for n, name, body in rows]

    def done(self, numbers: Sequence[int], failed: Iterable[tuple[str, str, Event]]) -> None:
        """Take events out, and keep a letter of each failure, in the caller's transaction.

        A failure is the function's name, why, and the event.
        """
        with transaction(self._connection):
            removed = sum(
                self._connection.execute(
                    "DELETE FROM function_inbox WHERE number = ?", (number,)
                ).rowcount
                for number in numbers
            )
            _add(self._connection, {"done": removed, "waiting": -removed})
            letters = [(name, why, event.end_ns, _body(event)) for name, why, event in failed]
            if letters:
                self._connection.executemany(
                    "INSERT INTO function_letters (name, reason, end_ns, predicted)"
                    " VALUES (?, ?, ?, ?)",
                    letters,
                )
                self._bound_letters()

    def lacking_model(self) -> set[str]:
        """The functions with letters that wait for a model."""
        found = self._connection.execute(
            "SELECT DISTINCT name FROM function_letters WHERE reason = ?", (NO_MODEL_YET,)
        )
        return {name for (name,) in found}

    def show_again(self, name: str) -> None:
        """Let what a function was shown without a model wait for it, in the caller's transaction.

        In the order in which it came; it is shown in the place of a letter.
        """
        _retry(self._connection, "name = ? AND reason = ?", (name, NO_MODEL_YET))

    def counts(self) -> InboxCounts:
        """The counts."""
        values = dict(self._connection.execute("SELECT name, value FROM function_count"))
        letters = self._connection.execute(
            "SELECT name, count(*) FROM function_letters GROUP BY name"
        ).fetchall()
        put, done, waiting = (values.get(name, 0) for name in ("put", "done", "waiting"))
        dropped, gone = (_by_reason(values, prefix) for prefix in (_DROPPED, _LETTERS))
        return InboxCounts(put, done, waiting, dropped, dict(letters), letters_dropped=gone)

    def retain(self, oldest_ns: int) -> None:
        """Drop events that ended before ``oldest_ns``, and their letters."""
        with transaction(self._connection):
            _drop(self._connection, "old", "end_ns < ?", oldest_ns)
            self._drop_letters("old", "end_ns < ?", oldest_ns)

    def drop_unasked(self) -> None:
        """Drop what waits for all functions, as there is none; in the caller's transaction."""
        _drop(self._connection, "no_function", "name IS ?", None)

    def _bound_letters(self) -> None:
        """Keep the newest letters, within both limits."""
        beyond = (
            "number IN (SELECT number FROM (SELECT number,"
            " row_number() OVER newest AS place, sum(length(predicted) + length(reason)) OVER"
            " newest AS bytes FROM function_letters WINDOW newest AS (ORDER BY reason = ?, number"
            " DESC)) WHERE place > ? OR bytes > ?)"
        )
        self._drop_letters("full", beyond, NO_MODEL_YET, MOST_LETTERS, MOST_LETTER_BYTES)

    def _drop_letters(self, reason: str, which: str, *values: str | int) -> None:
        found = self._connection.execute(f"DELETE FROM function_letters WHERE {which}", values)
        _add(self._connection, {f"{_LETTERS}{reason}": found.rowcount})


def letters_in(connection: sqlite3.Connection) -> list[Letter]:
    """The letters, oldest first, for readers, too."""
    if not _has_letters(connection):
        return []
    rows = connection.execute(
        "SELECT number, name, reason, predicted FROM function_letters ORDER BY number"
    )
    return [Letter(number, of, why, _event(body)) for number, of, why, body in rows]


def retry_letters(connection: sqlite3.Connection, name: str) -> int:
    """Let the events of a function's letters wait for it again; how many there are."""
    if not _has_letters(connection):
        return 0
    return _retry(connection, "name = ?", (name,))


def drop_letters(connection: sqlite3.Connection, name: str) -> int:
    """Throw a function's letters away; how many there were."""
    if not _has_letters(connection):
        return 0
    with transaction(connection):
        found = connection.execute("DELETE FROM function_letters WHERE name = ?", (name,))
        return found.rowcount


def _retry(connection: sqlite3.Connection, which: str, values: tuple[str, ...]) -> int:
    """Put the events of letters into the inbox, each for its function; how many there were."""
    with transaction(connection):
        rows = connection.execute(
            f"SELECT name, end_ns, predicted FROM function_letters WHERE {which} ORDER BY number",
            values,
        ).fetchall()
        if rows:
            _put(connection, rows, None)
        connection.execute(f"DELETE FROM function_letters WHERE {which}", values)
    return len(rows)


def _has_letters(connection: sqlite3.Connection) -> bool:
    """Whether a node with functions has run."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'function_letters'")
    return found.fetchone() is not None


def _put(
    connection: sqlite3.Connection,
    rows: Sequence[tuple[str | None, int, bytes]],
    limit: int | None,
) -> None:
    with transaction(connection):
        connection.executemany(
            "INSERT INTO function_inbox (name, end_ns, predicted) VALUES (?, ?, ?)", rows
        )
        _add(connection, {"put": len(rows), "waiting": len(rows)})
        if limit is None:
            return
        (waiting,) = connection.execute(
            "SELECT value FROM function_count WHERE name = 'waiting'"
        ).fetchone()
        if (excess := waiting - limit) > 0:
            oldest = "number IN (SELECT number FROM function_inbox ORDER BY number LIMIT ?)"
            _drop(connection, "full", oldest, excess)


def _drop(connection: sqlite3.Connection, reason: str, which: str, value: int | None) -> None:
    with transaction(connection):
        found = connection.execute(f"DELETE FROM function_inbox WHERE {which}", (value,))
        _add(connection, {f"{_DROPPED}{reason}": found.rowcount, "waiting": -found.rowcount})


def _by_reason(values: Mapping[str, int], prefix: str) -> dict[str, int]:
    named = {name: value for name, value in values.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): value for name, value in named.items()}


def _add(connection: sqlite3.Connection, changes: Mapping[str, int]) -> None:
    connection.executemany(
        "INSERT INTO function_count VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, change) for name, change in changes.items() if change],
    )


def _body(event: Event) -> bytes:
    return json.dumps(to_stored(event)).encode()


def _event(body: bytes) -> Event:
    return from_stored(json.loads(body))
