"""Waiting rows that the box's own clock stamped while it could not be believed.

A reading without a stamp of its own gets the time of its arrival. If the clock is set right later,
it is known by how much that was wrong, as long as the machine has not been restarted since. Then
the row's stamps are corrected; else nobody can say when the reading was made.
"""

import sqlite3
from collections.abc import Collection

import numpy as np

from fl_client.store.database import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS box_stamps (
    sequence INTEGER PRIMARY KEY, boot TEXT NOT NULL, offset_ns INTEGER NOT NULL)
"""


class BoxStamps:
    """The rows in the store of ``connection``; each method is part of the caller's transaction.

    ``boot`` is the machine's present run, ``offset_ns`` what its clock is set to
    (``Instant.offset_ns``).

    Raises:
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, boot: str) -> None:
        self._connection, self._boot = connection, boot
        with transaction(connection):
            connection.execute(SCHEMA)
            (self._count,) = connection.execute("SELECT count(*) FROM box_stamps").fetchone()

    def newest(self) -> int:
        """The sequence of the newest row of the spool; 0 if none waits."""
        return int(self._connection.execute("SELECT max(sequence) FROM spool").fetchone()[0] or 0)

    def note(self, ids: Collection[str], after: int, offset_ns: int) -> None:
        """Note those rows behind the sequence ``after`` that have one of ``ids``."""
        with transaction(self._connection):
            rows = self._connection.execute(
                "SELECT sequence, id FROM spool WHERE sequence > ?", (after,)
            )
            found = [(sequence, self._boot, offset_ns) for sequence, id_ in rows if id_ in ids]
            self._connection.executemany("INSERT INTO box_stamps VALUES (?, ?, ?)", found)
        self._count += len(found)

    def settle(self, offset_ns: int) -> list[int] | None:
        """Correct the noted rows by a clock that is believed; None if there were none.

        Returns the sequences of those that can't be: they were stamped before a restart.
        """
        if not self._count:
            return None
        with transaction(self._connection):
            rows = self._connection.execute(
                "SELECT sequence, boot, offset_ns, stamps, content FROM box_stamps"
                " JOIN spool USING (sequence)"
            ).fetchall()
            shifts = [
                (_shifted(content, stamps, offset_ns - then_ns), sequence)
                for sequence, of, then_ns, stamps, content in rows
                if of == self._boot
            ]
            self._connection.executemany("UPDATE spool SET content = ? WHERE sequence = ?", shifts)
            self._connection.execute("DELETE FROM box_stamps")
        self._count = 0
        return [sequence for sequence, of, *_ in rows if of != self._boot]


def _shifted(content: bytes, stamps: int, by_ns: int) -> bytes:
    """A row's content with its first ``stamps`` int64 moved."""
    times_N = np.frombuffer(content, "<i8", stamps) + by_ns
    return times_N.astype("<i8").tobytes() + content[times_N.nbytes :]
