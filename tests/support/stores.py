"""Stores as earlier versions wrote them, kept as SQL in ``tests/data``."""

import sqlite3
from contextlib import closing
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def store_of(schema: int, folder: Path) -> Path:
    """The store of a box that ran with this schema, in ``folder``.

    It was sent 20 of the messages of ``tests.support.nodes``, a label and a malformed message, and
    was killed after the first of its 4 windows was predicted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "site.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / f"site_{schema}.sql").read_text())
    return path


def put_back_to_1(connection: sqlite3.Connection) -> None:
    """Make a store's windows those of schema 1, whose labels are joined already."""
    connection.executescript(
        """
        PRAGMA foreign_keys = OFF;
        CREATE TABLE old (id INTEGER PRIMARY KEY, cut TEXT NOT NULL, start_ns INTEGER NOT NULL,
            label INTEGER, predicted INTEGER, UNIQUE (cut, start_ns));
        INSERT INTO old SELECT id, cut, start_ns, label, predicted FROM windows;
        DROP TABLE windows;
        ALTER TABLE old RENAME TO windows;
        DROP TABLE annotations;
        PRAGMA user_version = 1;
        """
    )
