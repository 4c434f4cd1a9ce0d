"""The intervals that a person has left out of training, in the site's store.

A window that shares time with one, or stands for time in one, is neither trained nor evaluated on.
That is decided when windows are read, by a person's word alone: nothing here looks at data.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from fl_client.store.database import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS left_out (
    stream TEXT NOT NULL, id TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    PRIMARY KEY (stream, id)
);
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An interval of a stream, from ``from_ns`` to before ``to_ns`` since 1970, with its id."""

    stream: str
    id: str
    from_ns: int
    to_ns: int


def leave_out(connection: sqlite3.Connection, one: LeftOut) -> None:
    """Keep one, in the store of a box that may run meanwhile."""
    with transaction(connection):
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        row = (one.stream, one.id, one.from_ns, one.to_ns)
        connection.execute("INSERT INTO left_out VALUES (?, ?, ?, ?)", row)


def take_in(connection: sqlite3.Connection, stream: str, name: str) -> None:
    """Drop the one of this id, whose windows are used again."""
    with transaction(connection):
        connection.execute("DELETE FROM left_out WHERE stream = ? AND id = ?", (stream, name))


def left_out_in(connection: sqlite3.Connection) -> Sequence[LeftOut]:
    """All of them, by their beginning, for readers, too."""
    if not _is_there(connection):
        return []
    rows = connection.execute(
        "SELECT stream, id, from_ns, to_ns FROM left_out ORDER BY from_ns, stream, id"
    )
    return [LeftOut(*row) for row in rows]


def used(connection: sqlite3.Connection, stream: str, span_ns: int) -> str:
    """An SQL condition on rows of ``windows``: none of these intervals touches the window.

    ``stream`` is the column of its stream, and ``span_ns`` the time from its first row to its last.
    What follows a window, for a forecast, is read from later ones, and is missing where they are.
    """
    if not _is_there(connection):
        return "true"
    return (
        f"NOT EXISTS (SELECT 1 FROM left_out WHERE left_out.stream = {stream}"
        f" AND to_ns > start_ns AND from_ns <= start_ns + {int(span_ns)})"
    )


def forget(connection: sqlite3.Connection, oldest_ns: int) -> None:
    """Drop those that ended before ``oldest_ns``; part of the caller's transaction."""
    connection.execute("DELETE FROM left_out WHERE to_ns < ?", (oldest_ns,))


def _is_there(connection: sqlite3.Connection) -> bool:
    """A store of an earlier version has none, and a reader can't make it."""
    known = "SELECT 1 FROM sqlite_schema WHERE name = 'left_out'"
    return connection.execute(known).fetchone() is not None
