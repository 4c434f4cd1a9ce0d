"""A store whose readings and windows are kept in memory alone, where nothing of them may be stored.

Their tables are temporary ones of the connection, which SQLite keeps in memory; every other module
uses them by the same names. They take part in its transactions, and end with the connection. What
waited in them is then lost, and is counted with the next one. Counts, events that wait for the
broker, what functions remember, and the clock stay in the file.
"""

import sqlite3
from pathlib import Path

from fl_client.store import (
    annotations,
    box_stamps,
    function_inbox,
    held,
    left_out,
    spool_rows,
    windows,
)
from fl_client.store.database import open_store, transaction
from fl_client.store.spool_counts import LOST, values_of
from fl_common.errors import InvalidConfiguration

RESTART = "restart"
"""The reason of the loss of messages that were in memory alone."""
_MADE = "CREATE TABLE IF NOT EXISTS "
_ON_DISK = "spool_count"
_OF_LABELS = ("annotations", "annotations_withdrawn", "left_out")
"""They tell what was seen or heard, and when."""
_OF_READINGS = ("spool", "windows", "unshaped", *_OF_LABELS)


def open_kept(path: Path, *, in_memory: bool) -> sqlite3.Connection:
    """The store at ``path``, opened; with all that is made of readings ``in_memory`` alone, or not.

    Raises:
        InvalidConfiguration: readings or windows were stored before, and are not to be.
        StoreError: as ``open_store``.
    """
    connection = open_store(path)
    if in_memory:
        try:
            _keep_in_memory(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def is_in_memory(connection: sqlite3.Connection) -> bool:
    """Whether windows are in the memory of this connection alone."""
    found = connection.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = 'windows'")
    return found.fetchone() is not None


def _keep_in_memory(connection: sqlite3.Connection) -> None:
    """Make the tables before any other module does."""
    connection.execute("PRAGMA temp_store = MEMORY")
    modules = spool_rows, windows, annotations, left_out, held, function_inbox, box_stamps
    statements = [one.strip() for module in modules for one in module.SCHEMA.split(";")]
    with transaction(connection):
        _check_empty(connection)
        for statement in statements:
            if not statement.startswith(_MADE):
                continue
            name = statement.removeprefix(_MADE).split()[0]
            where = "" if name == _ON_DISK else "temp."
            connection.execute(statement.replace(_MADE, f"{_MADE}{where}", 1))
        _count_lost(connection)


def _check_empty(connection: sqlite3.Connection) -> None:
    """Refuse a store that has readings: they would be neither used nor ever deleted."""
    tables = {name for (name,) in connection.execute("SELECT name FROM main.sqlite_schema")}
    for table in tables.intersection(_OF_READINGS):
        if connection.execute(f"SELECT count(*) FROM main.{table}").fetchone()[0]:
            raise InvalidConfiguration(
                "retain=none",
                f"stores nothing of readings, and the site's store has {table} of before",
                "Move site.sqlite and the files beside it away, or set retain=all",
            )


def _count_lost(connection: sqlite3.Connection) -> None:
    """Count what was in the memory of an earlier connection as lost."""
    if not (waiting := values_of(connection).get("waiting", 0)):
        return
    connection.executemany(
        "INSERT INTO spool_count VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(f"{LOST}{RESTART}", waiting)],
    )
    connection.execute(
        "UPDATE spool_count SET value = 0 WHERE name IN ('waiting', 'waiting_bytes')"
    )
