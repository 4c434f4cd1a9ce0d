"""Windows as they were cut, which wait in the store for the box's shape, and what became of them.

``put = made + waiting + dropped`` at any instant: a window leaves in the transaction that stores
what the shape made of it, or that it is dropped. Of the last dropped ones it is remembered that
they are decided: after a restart the last windows are cut again from readings that still wait.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fl_client.store.database import transaction
from fl_client.windows import Window
from fl_common.vocabulary import Task

_TABLES = """
CREATE TABLE IF NOT EXISTS unshaped (
    number INTEGER PRIMARY KEY AUTOINCREMENT, cut TEXT NOT NULL, stream TEXT NOT NULL,
    start_ns INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (cut, stream, start_ns)
);
CREATE TABLE IF NOT EXISTS unfit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, cut TEXT NOT NULL, stream TEXT NOT NULL,
    start_ns INTEGER NOT NULL, UNIQUE (cut, stream, start_ns)
);
CREATE TABLE IF NOT EXISTS shape_counts (
    what TEXT PRIMARY KEY, number INTEGER NOT NULL
) WITHOUT ROWID
"""
_PUT, _MADE, _DROPPED = "put", "made", "dropped:"
_REMEMBERED = 10_000


class WaitingWindow(NamedTuple):
    """A window that waits, with its number in the order of their coming."""

    number: int
    window: Window


@dataclass(frozen=True, slots=True)
class ShapeCounts:
    """Windows that were put, made and dropped (by reason) since the store began, and that wait."""

    put: int = 0
    made: int = 0
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


class Unshaped:
    """The windows of ``task``, as they were cut, in an open store; call within its transactions.

    ``cut`` names how; those that wait from another one are dropped.

    Raises:
        StoreError: here and in each method, when the file can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, task: Task, cut: str) -> None:
        self._connection, self._task, self._cut = connection, task, cut
        with transaction(connection):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            self._drop("cut != ?", cut)

    def put(self, windows: Sequence[Window]) -> None:
        """Let windows wait; one that waits already has no effect."""
        if not windows:
            return
        with transaction(self._connection):
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT OR IGNORE INTO unshaped (cut, stream, start_ns, content)"
                " VALUES (?, ?, ?, ?)",
                [
                    (self._cut, w.stream, w.start_ns, w.values_TC.astype("<f4").tobytes())
                    for w in windows
                ],
            )
            self._count(_PUT, self._connection.total_changes - before)

    def after(self, number: int, limit: int) -> list[WaitingWindow]:
        """Up to ``limit`` windows that wait, from the first one behind ``number`` on."""
        rows = self._connection.execute(
            "SELECT number, start_ns, content, stream FROM unshaped WHERE number > ?"
            " ORDER BY number LIMIT ?",
            (number, limit),
        ).fetchall()
        shape, name = self._task.window_shape, self._task.name
        return [
            WaitingWindow(n, Window(name, start, np.frombuffer(content, "<f4").reshape(shape), of))
            for n, start, content, of in rows
        ]

    def waiting(self) -> int:
        """How many windows wait."""
        return int(self._connection.execute("SELECT count(*) FROM unshaped").fetchone()[0])

    def done(self, numbers: Sequence[int], dropped: Sequence[str]) -> None:
        """Windows are shaped, or dropped: each for one of the reasons in ``dropped``."""
        self._connection.executemany(
            "DELETE FROM unshaped WHERE number = ?", [(number,) for number in numbers]
        )
        self._count(_MADE, len(numbers) - len(dropped))
        for reason in dropped:
            self._count(_DROPPED + reason, 1)

    def remember(self, cut: str, windows: Sequence[Window]) -> None:
        """Remember of the last windows under a cut that they are dropped."""
        if not windows:
            return
        self._connection.executemany(
            "INSERT OR IGNORE INTO unfit (cut, stream, start_ns) VALUES (?, ?, ?)",
            [(cut, window.stream, window.start_ns) for window in windows],
        )
        self._connection.execute(
            "DELETE FROM unfit WHERE number <= (SELECT max(number) FROM unfit) - ?", (_REMEMBERED,)
        )

    def is_dropped(self, cut: str, window: Window) -> bool:
        """Whether a window is remembered as dropped under a cut."""
        found = self._connection.execute(
            "SELECT 1 FROM unfit WHERE cut = ? AND stream = ? AND start_ns = ?",
            (cut, window.stream, window.start_ns),
        ).fetchone()
        return found is not None

    def retain(self, oldest_ns: int) -> None:
        """Drop those that wait and begin before ``oldest_ns``."""
        self._drop("start_ns < ?", oldest_ns)

    def counts(self) -> ShapeCounts:
        """The counts."""
        rows: dict[str, int] = dict(self._connection.execute("SELECT * FROM shape_counts"))
        dropped = {
            what.removeprefix(_DROPPED): number
            for what, number in rows.items()
            if what.startswith(_DROPPED)
        }
        return ShapeCounts(rows.get(_PUT, 0), rows.get(_MADE, 0), self.waiting(), dropped)

    def _drop(self, which: str, value: object) -> None:
        """Drop those that meet ``which``, an SQL condition."""
        gone = self._connection.execute(f"DELETE FROM unshaped WHERE {which}", (value,)).rowcount
        self._count(f"{_DROPPED}old", gone)

    def _count(self, what: str, number: int) -> None:
        if number:
            self._connection.execute(
                "INSERT INTO shape_counts VALUES (?, ?)"
                " ON CONFLICT (what) DO UPDATE SET number = number + excluded.number",
                (what, number),
            )
