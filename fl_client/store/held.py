"""The last values of channels that hold, in the site's store, once their rows have left the spool.

They are written in the transaction that removes the rows, so a stream goes on after a restart with
what still holds.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from fl_client.store.database import transaction
from fl_client.windows import MOST_STREAMS
from fl_client.windows.parts import HeldValue

SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    stream TEXT NOT NULL, sensor TEXT NOT NULL, channel TEXT NOT NULL, time_ns INTEGER NOT NULL,
    value REAL NOT NULL, PRIMARY KEY (stream, sensor, channel)) WITHOUT ROWID
"""


class HeldValues:
    """The values in the store of ``connection``; those of streams that ended long ago are deleted.

    Raises:
        StoreError: here and in ``write``, if the store can't be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.found: dict[str, list[HeldValue]] = {}
        """The values by stream, as they were when the store was opened."""
        with transaction(connection):
            connection.execute(SCHEMA)
            connection.execute(
                "DELETE FROM held WHERE stream NOT IN"
                " (SELECT stream FROM held GROUP BY stream ORDER BY max(time_ns) DESC LIMIT ?)",
                (MOST_STREAMS,),
            )
            for stream, *rest in connection.execute("SELECT * FROM held"):
                self.found.setdefault(stream, []).append(HeldValue(*rest))

    def write(self, held: Mapping[str, Sequence[HeldValue]]) -> None:
        """Store values by stream, in the caller's transaction; others remain."""
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?)",
                [
                    (stream, value.sensor, value.channel, value.time_ns, value.value)
                    for stream, values in held.items()
                    for value in values
                ],
            )
