"""The ledger's file: its tables, its creation, and the checks before it is trusted.

The file is SQLite in WAL mode with synchronous=FULL. It appears under its name only when it is
complete, so an empty or partial file always means damage, never a new ledger.
"""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fl_common.errors import LedgerError
from fl_common.files.whole import OWNER_ONLY, whole_path

SCHEMA_VERSION = 2
_APPLICATION_ID = 0x4A74444C  # "JtDL": identifies a ledger among SQLite files
LOCK_SECONDS = 30.0

_RESTORE = (
    "Put the newest whole copy back and see `fl-client ledger --help`;"
    " a new ledger would forget what was spent"
)
_FULL = ("can't grow: the disk is full", "Free some space on it")
_FAULTS: Mapping[str, tuple[str, str]] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": ("is read-only", "Make the file and its folder writable"),
    "SQLITE_CANTOPEN": ("can't be opened", "Check that its folder exists and is writable"),
    "SQLITE_IOERR": ("can't be read or written", "Check the disk, and whether it is full"),
    "SQLITE_NOTADB": ("is not a privacy ledger", _RESTORE),
    "SQLITE_CORRUPT": ("is damaged", _RESTORE),
}
"""Rule and remedy for SQLite's errors, by the beginning of the error's name."""

_SCHEMA = f"""
CREATE TABLE owner (name TEXT NOT NULL);
CREATE TABLE charge (
    number INTEGER PRIMARY KEY, line TEXT NOT NULL, hash TEXT NOT NULL,
    debit INTEGER AS (json_extract(line, '$.debit')), site TEXT AS (json_extract(line, '$.site')),
    run TEXT AS (json_extract(line, '$.run')), round INTEGER AS (json_extract(line, '$.round')),
    plan TEXT AS (json_extract(line, '$.plan')));
CREATE INDEX charge_of ON charge (site, run, round);
CREATE TABLE spent (
    site TEXT NOT NULL, block TEXT NOT NULL, noise REAL NOT NULL, rate REAL NOT NULL,
    steps INTEGER NOT NULL, PRIMARY KEY (site, block, noise, rate)) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
"""``charge`` has a line (JSON) for each round of a site; ``spent`` has sums, for a quick debit."""


def create(path: Path, owner: str) -> None:
    """Create an empty ledger at ``path``, atomically; one that appears meanwhile stays."""
    with (
        suppress(FileExistsError),
        whole_path(path, OWNER_ONLY, new=True) as part,
        closing(sqlite3.connect(part, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
        connection.execute("INSERT INTO owner VALUES (?)", (owner,))
        connection.execute("COMMIT")


def open_checked(path: Path) -> sqlite3.Connection:
    """A connection to the ledger at ``path``; raises LedgerError if it is damaged or unreadable."""
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


def owner_of(connection: sqlite3.Connection) -> str:
    """The site or fleet that a ledger belongs to."""
    return str(connection.execute("SELECT name FROM owner").fetchone()[0])


def untrusted(path: Path, fault: str) -> LedgerError:
    """The error for a ledger whose lines or sums are not what was written."""
    return LedgerError(f"{path}: {fault}. {_RESTORE}.")


def locked() -> str:
    """Rule and remedy for a file that another process holds for too long."""
    return (
        f"has been locked by another process for {LOCK_SECONDS:g} s."
        " Stop that process, or wait for it"
    )


def _check(path: Path, connection: sqlite3.Connection) -> None:
    def ask(query: str) -> object:
        return connection.execute(query).fetchone()[0]

    if ask("PRAGMA application_id") != _APPLICATION_ID:
        raise LedgerError(f"{path}: is a database, but not a privacy ledger. {_RESTORE}.")
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


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into one line with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = error.sqlite_errorname if hasattr(error, "sqlite_errorname") else ""
        if code.startswith("SQLITE_BUSY"):
            raise LedgerError(f"{path}: {locked()}.") from error
        rule, remedy = next(
            (text for name, text in _FAULTS.items() if code.startswith(name)),
            (f"can't be used ({error})", _RESTORE),
        )
        raise LedgerError(f"{path}: {rule}. {remedy}.") from error
    except OSError as error:
        rule, remedy = (
            f"can't be opened ({error.strerror})",
            "Check the path and its permissions",
        )
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            rule, remedy = _FULL
        raise LedgerError(f"{path}: {rule}. {remedy}.") from error
