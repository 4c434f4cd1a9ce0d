"""The last time that the box's clock was believed, kept in the site's store."""

import sqlite3

from fl_client.store.database import transaction

_TABLE = """
CREATE TABLE IF NOT EXISTS known_time (
    one INTEGER PRIMARY KEY CHECK (one = 1), time_ns INTEGER NOT NULL)
"""


class KnownTime:
    """The time in the store of ``connection``, in nanoseconds since 1970; one thread at a time.

    Raises:
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        with transaction(connection):
            connection.execute(_TABLE)

    def read(self) -> int | None:
        """The time that was kept last; where none was, that of the newest window, if any."""
        with transaction(self._connection):
            found = self._connection.execute("SELECT time_ns FROM known_time").fetchone()
            if found is None and self._has_windows():
                found = self._connection.execute("SELECT max(start_ns) FROM windows").fetchone()
        return None if found is None or found[0] is None else int(found[0])

    def keep(self, time_ns: int) -> None:
        """Keep ``time_ns``; durable when the caller's transaction is."""
        with transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO known_time VALUES (1, ?)", (time_ns,))

    def _has_windows(self) -> bool:
        tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'windows'"
        return bool(self._connection.execute(tables).fetchone()[0])
