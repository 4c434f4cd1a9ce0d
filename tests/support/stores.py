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
