"""The ledger's file: its tables, how it is made, what is checked before it is trusted.

The file is SQLite in WAL mode with synchronous=FULL. It appears under its name only when it is
whole, so that an empty or partial file always means damage, never a beginning.
"""

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from fl_common.errors import LedgerError

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x4A74444C  # "JtDL": tells a ledger from any other SQLite file
LOCK_SECONDS = 30.0

_RESTORE = "Restore it from a backup; a new ledger would forget what was spent"
_FAULTS: Mapping[str, tuple[str, str]] = {
    "SQLITE_BUSY": (
        f"has been locked by another process for {LOCK_SECONDS:g} s",
        "Stop that process, or wait for it",
    ),
    "SQLITE_FULL": ("can't grow: the disk is full", "Free some space on it"),
    "SQLITE_READONLY": ("is read-only", "Make the file and its folder writable"),
    "SQLITE_CANTOPEN": ("can't be opened", "Check that its folder exists and is writable"),
    "SQLITE_IOERR": ("can't be read or written", "Check the disk"),
    "SQLITE_NOTADB": ("is not a privacy ledger", _RESTORE),
    "SQLITE_CORRUPT": ("is damaged", _RESTORE),
}
"""What SQLite says, as a rule and a remedy; by the beginning of its error name."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE charge (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, site TEXT NOT NULL, run TEXT NOT NULL,
    round INTEGER NOT NULL, clip REAL NOT NULL, noise REAL NOT NULL, rate REAL NOT NULL,
    steps INTEGER NOT NULL, blocks TEXT NOT NULL, repeatable INTEGER NOT NULL);
CREATE INDEX charge_of ON charge (site, run, round);
CREATE TABLE spent (
    site TEXT NOT NULL, block TEXT NOT NULL, noise REAL NOT NULL, rate REAL NOT NULL,
    steps INTEGER NOT NULL, PRIMARY KEY (site, block, noise, rate)) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
"""``charge`` is the record, one row per round of a site; ``spent`` its sums, for a quick debit."""

_UNEQUAL_SUMS = """
WITH charged AS (
    SELECT site, block.value, noise, rate, SUM(steps) FROM charge, json_each(blocks) AS block
    GROUP BY 1, 2, 3, 4)
SELECT EXISTS (SELECT * FROM charged EXCEPT SELECT * FROM spent)
    OR EXISTS (SELECT * FROM spent EXCEPT SELECT * FROM charged)
"""


def create(path: Path) -> None:
    """An empty ledger at ``path``, whole or not at all; one that appears meanwhile stays."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            Path(name).rename(path)
        os.fsync(folder)
    finally:
        os.close(folder)
        Path(name).unlink(missing_ok=True)


def open_checked(path: Path) -> sqlite3.Connection:
    """A connection to the ledger at ``path``; raises where it can't be trusted."""
    if path.stat().st_size == 0:
        raise LedgerError(f"{path}: is empty, so it was cut off. {_RESTORE}.")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _check(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    def ask(query: str) -> object:
        return connection.execute(query).fetchone()[0]

    if ask("PRAGMA application_id") != _APPLICATION_ID:
        raise LedgerError(f"{path}: is a database, but no privacy ledger. {_RESTORE}.")
    if (version := ask("PRAGMA user_version")) != SCHEMA_VERSION:
        raise LedgerError(
            f"{path}: has schema version {version}, and this program reads {SCHEMA_VERSION}."
            " Use the version that wrote it."
        )
    if (mode := ask("PRAGMA journal_mode")) != "wal":
        raise LedgerError(
            f"{path}: is in journal mode {mode}, and must be in wal. Put it on a local disk."
        )
    if (found := ask("PRAGMA quick_check")) != "ok":
        raise LedgerError(f"{path}: is damaged ({str(found).splitlines()[-1]}). {_RESTORE}.")
    if ask(_UNEQUAL_SUMS):
        raise LedgerError(f"{path}: its sums differ from its lines: it was edited. {_RESTORE}.")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise into one line with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = error.sqlite_errorname if hasattr(error, "sqlite_errorname") else ""
        rule, remedy = next(
            (text for name, text in _FAULTS.items() if code.startswith(name)),
            (f"can't be used ({error})", _RESTORE),
        )
        raise LedgerError(f"{path}: {rule}. {remedy}.") from error
    except OSError as error:
        raise LedgerError(
            f"{path}: can't be opened ({error.strerror}). Check the path and its permissions."
        ) from error
