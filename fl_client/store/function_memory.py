"""What functions remember, in the site's store: written in the transaction of their events.

So after a restart, or a commit that failed, a function goes on behind the last window whose events
are durable.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from fl_client.store.database import transaction
from fl_client.windows import MOST_STREAMS

_SCHEMA = """
CREATE TABLE IF NOT EXISTS function_memory (
    stream TEXT NOT NULL, name TEXT NOT NULL, newest_ns INTEGER NOT NULL, class TEXT NOT NULL,
    content TEXT, PRIMARY KEY (stream, name)) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """A function's memory after the window that starts at ``newest_ns``.

    ``content`` is JSON of the function's own, None if it keeps none; for ``class_name`` alone.
    """

    newest_ns: int
    class_name: str
    content: str | None

    @property
    def bytes(self) -> int:
        """Of ``content``, which is ASCII."""
        return len(self.content or "")


Memories = Mapping[tuple[str, str], Memory]
"""Memories by the streams and names of the functions."""


class FunctionMemory:
    """The memories in the store of ``connection``; of streams that ended long ago they are deleted.

    Raises:
        StoreError: here and in each method, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        with transaction(connection):
            connection.execute(_SCHEMA)
        self._written = self._read()
        self.bytes = Counter[str]()
        """What is remembered, by the functions' names."""
        for (_, name), memory in self._written.items():
            self.bytes[name] += memory.bytes

    @property
    def found(self) -> Memories:
        """The memories as they were last written or read."""
        return self._written

    def write(self, memories: Memories) -> None:
        """Write those that have changed, in the caller's transaction."""
        changed = {key: m for key, m in memories.items() if self._written.get(key) != m}
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO function_memory VALUES (?, ?, ?, ?, ?)",
                [(*key, m.newest_ns, m.class_name, m.content) for key, m in changed.items()],
            )
        for key, memory in changed.items():
            before = self._written.get(key)
            self.bytes[key[1]] += memory.bytes - (before.bytes if before is not None else 0)
        self._written = {**self._written, **changed}

    def _read(self) -> Memories:
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM function_memory WHERE stream NOT IN (SELECT stream FROM"
                " function_memory GROUP BY stream ORDER BY max(newest_ns) DESC LIMIT ?)",
                (MOST_STREAMS,),
            )
            rows = self._connection.execute(
                "SELECT stream, name, newest_ns, class, content FROM function_memory"
            ).fetchall()
        return {(stream, name): Memory(*rest) for stream, name, *rest in rows}
