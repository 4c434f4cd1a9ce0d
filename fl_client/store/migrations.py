"""How a store of an earlier schema becomes one of the present schema, in one transaction.

Each step is SQL that leads from one version to the next; it is applied to those of its tables that
the store has. What a step drops and makes anew is copied first, so no row is lost.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

SCHEMA_VERSION = 2
"""Incremented when the meaning of any module's table changes, with a step in ``_STEPS``."""


class _Change(NamedTuple):
    """Statements for a store that has ``table``."""

    table: str
    statements: str


_STEPS: Mapping[int, tuple[_Change, ...]] = {
    1: (  # 2: rows, windows and labels belong to a stream; those before it to the one without name
        _Change("spool", "ALTER TABLE spool ADD COLUMN stream TEXT NOT NULL DEFAULT ''"),
        _Change(
            "windows",
            """
            CREATE TABLE windows_2 (
                id INTEGER PRIMARY KEY,
                cut TEXT NOT NULL,
                stream TEXT NOT NULL,
                start_ns INTEGER NOT NULL,
                label INTEGER,
                predicted INTEGER,
                UNIQUE (cut, stream, start_ns)
            );
            INSERT INTO windows_2
                SELECT id, cut, '', start_ns, label, predicted FROM windows;
            DROP TABLE windows;
            ALTER TABLE windows_2 RENAME TO windows
            """,
        ),
        _Change(
            "annotations",
            """
            CREATE TABLE annotations_2 (
                stream TEXT NOT NULL,
                id TEXT NOT NULL,
                from_ns INTEGER NOT NULL,
                to_ns INTEGER NOT NULL,
                label TEXT NOT NULL,
                PRIMARY KEY (stream, id)
            );
            INSERT INTO annotations_2 SELECT '', id, from_ns, to_ns, label FROM annotations;
            DROP TABLE annotations;
            ALTER TABLE annotations_2 RENAME TO annotations
            """,
        ),
    ),
}
"""By the version that it leads from. Indices that go with a table are made by its module."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a store of ``version`` to the present one, within the caller's transaction.

    Foreign keys must be off: a dropped table would take the rows that refer to it along.
    """
    for reached in range(version, SCHEMA_VERSION):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        for change in _STEPS[reached]:
            if change.table in tables:
                for statement in change.statements.split(";"):
                    connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
