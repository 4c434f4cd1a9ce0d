"""The intervals that people told labels of, in the site's store, and those that they withdrew.

One that is withdrawn stays so: a copy of its message that comes later has no effect.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from fl_client.sensors import Annotation

SCHEMA = """
CREATE TABLE IF NOT EXISTS annotations (
    stream TEXT NOT NULL, id TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    label TEXT NOT NULL, PRIMARY KEY (stream, id)
);
CREATE INDEX IF NOT EXISTS annotations_by_end ON annotations (to_ns);
CREATE INDEX IF NOT EXISTS annotations_of_stream ON annotations (stream, to_ns);
CREATE TABLE IF NOT EXISTS annotations_withdrawn (
    stream TEXT NOT NULL, id TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    PRIMARY KEY (stream, id)
);
CREATE INDEX IF NOT EXISTS annotations_withdrawn_by_end ON annotations_withdrawn (to_ns);
"""
_ALL = "SELECT id, from_ns, to_ns, label, stream FROM annotations"


class Span(NamedTuple):
    """An interval of a stream, in nanoseconds since 1970; its end is not part of it."""

    stream: str
    from_ns: int
    to_ns: int


class Annotations:
    """Those on ``connection``; each method is part of the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, one: Annotation) -> None:
        """Keep one, unless it is known or was withdrawn."""
        self._connection.execute(
            "INSERT OR IGNORE INTO annotations SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM annotations_withdrawn WHERE stream = ? AND id = ?)",
            (one.stream, one.id, one.from_ns, one.to_ns, one.label, one.stream, one.id),
        )

    def withdraw(self, stream: str, name: str) -> Span | None:
        """Take the one of this id back; where it lay, also if it was withdrawn before."""
        which = (stream, name)
        self._connection.execute(
            "INSERT OR IGNORE INTO annotations_withdrawn"
            " SELECT stream, id, from_ns, to_ns FROM annotations WHERE stream = ? AND id = ?",
            which,
        )
        self._connection.execute("DELETE FROM annotations WHERE stream = ? AND id = ?", which)
        found = self._connection.execute(
            "SELECT from_ns, to_ns FROM annotations_withdrawn WHERE stream = ? AND id = ?", which
        ).fetchone()
        return Span(stream, *found) if found else None

    def touching(self, span: Span) -> list[Annotation]:
        """Those that share time with ``span``."""
        rows = self._connection.execute(
            f"{_ALL} WHERE stream = ? AND to_ns > ? AND from_ns < ?", span
        )
        return [Annotation(*row) for row in rows]

    def forget(self, oldest_ns: int) -> None:
        """Drop those that ended before ``oldest_ns``, also among those that were withdrawn."""
        for table in ("annotations", "annotations_withdrawn"):
            self._connection.execute(f"DELETE FROM {table} WHERE to_ns < ?", (oldest_ns,))


def annotations_in(connection: sqlite3.Connection) -> Sequence[Annotation]:
    """All that are kept, by their beginning, for readers, too."""
    rows = connection.execute(f"{_ALL} ORDER BY from_ns, stream, to_ns, id")
    return [Annotation(*row) for row in rows]
