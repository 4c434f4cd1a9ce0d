"""What functions remember, in the site's store: written in the transaction of their events.

So after a restart, or a commit that failed, a function goes on behind the last window whose events
are durable.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from fl_client.store.database import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS function_memory (
    name TEXT PRIMARY KEY, newest_ns INTEGER NOT NULL, class TEXT NOT NULL, content TEXT)
    WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """A function's memory after the window that starts at ``newest_ns``.

    ``content`` is JSON of the function's own, None if it keeps none; for ``class_name`` alone.
    """

    newest_ns: int
    class_name: str
    content: str | None


class FunctionMemory:
    """The memories in the store of ``connection``, by the functions' names.

    Raises:
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        with transaction(connection):
            connection.execute(_SCHEMA)
        self._written = self._read()

    @property
    def found(self) -> Mapping[str, Memory]:
        """The memories as they were last written or read."""
        return self._written

    def write(self, memories: Mapping[str, Memory]) -> None:
        """Write those that have changed, in the caller's transaction."""
        changed = {name: m for name, m in memories.items() if self._written.get(name) != m}
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO function_memory VALUES (?, ?, ?, ?)",
                [(name, m.newest_ns, m.class_name, m.content) for name, m in changed.items()],
            )
        self._written = {**self._written, **changed}

    def _read(self) -> Mapping[str, Memory]:
        rows = self._connection.execute(
            "SELECT name, newest_ns, class, content FROM function_memory"
        )
        return {name: Memory(*rest) for name, *rest in rows}
