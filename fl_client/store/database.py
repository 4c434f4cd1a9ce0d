"""The site's one SQLite file: spool, windows and labels, so that one transaction covers them all.

WAL mode with synchronous=FULL: a transaction is durable when it returns, and a process that is
killed at any instant leaves the state before or after it. The training process opens the same file
and reads concurrently with the writer. Each module owns its tables and creates them with
``CREATE TABLE IF NOT EXISTS`` in its constructor. The privacy ledger is a separate file.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fl_client.home import STORE
from fl_client.store.migrations import SCHEMA_VERSION, migrate
from fl_common.errors import InvalidConfiguration, StoreError, StoreFull
from fl_common.files.whole import OWNER_ONLY, sync
from fl_common.programs.confinement import close

_logger = logging.getLogger(__name__)
_APPLICATION_ID = 0x4A746453  # "JtdS": identifies a site's store among SQLite files
_LOCK_SECONDS = 30.0
_LITTLE_SPACE = 256 * 1024  # bytes: below, "disk I/O error" means that the disk is full

_FULL = ("can't grow: the disk is full", "Free some space on it; sensors' messages wait meanwhile")
_MOVE_AWAY = "Move the file away, or put a whole copy back; a new one is made on the next start"
_FAULTS = {
    "SQLITE_READONLY": ("is read-only", "Make the file and its folder writable"),
    "SQLITE_CANTOPEN": ("can't be opened", "Check that its folder exists and is writable"),
    "SQLITE_BUSY": ("is locked by another process", "Run one sensing process per site folder"),
    "SQLITE_IOERR": ("can't be read or written", "Check the disk"),
    "SQLITE_NOTADB": ("is not a site's store", _MOVE_AWAY),
    "SQLITE_CORRUPT": ("is damaged", _MOVE_AWAY),
}
"""Rule and remedy for SQLite's errors, by the beginning of the error's name."""


def open_store(path: Path) -> sqlite3.Connection:
    """Open the store at ``path``, creating it if missing; several processes may share it.

    One of an earlier schema is brought to the present one. One thread at a time may use the
    connection. Write within ``transaction``.

    Raises:
        StoreError: the file is truncated, damaged, of a newer version, or not a site's store.
    """
    _make_private(path)
    with explained(path):
        connection = sqlite3.connect(
            path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _check_or_mark(path, connection)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the store at ``path`` that writes nothing and waits for no writer.

    The store may be of an earlier schema, as long as its sensing process has not been started.

    Raises:
        StoreError: there is no such file, it can't be read, or it is of a newer version.
    """
    with explained(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS)) as connection:
            _check_version(path, connection)
            yield connection


@contextmanager
def store_in(home: Path) -> Iterator[sqlite3.Connection]:
    """As ``reading``, the store of the box in ``home``.

    Raises:
        InvalidConfiguration: no box has run there.
        StoreError: see ``reading``.
    """
    if not (home / STORE).is_file():
        remedy = "Give the folder of a box that has run"
        raise InvalidConfiguration(f"--home={home}", f"has no {STORE}", remedy)
    with reading(home / STORE) as connection:
        yield connection


def _make_private(path: Path) -> None:
    """Keep the file to its owner from the first byte on; SQLite makes those beside it alike."""
    with suppress(OSError):  # SQLite says why it can't be opened
        if path.exists() and not path.stat().st_size:
            _logger.error("%s was empty, and begins anew: what it may have had is gone", path)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, OWNER_ONLY))
        sync(path.parent)
        for part in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if part.exists():
                close(part)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction: atomic, and durable when it ends; nested ones are part of the outer one.

    Raises:
        StoreFull: the disk is full.
        StoreError: any other error of SQLite.
    """
    if connection.in_transaction:
        yield
        return
    with explained(_path_of(connection)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise


def _roll_back(connection: sqlite3.Connection) -> None:
    """Roll the transaction back, unless SQLite has done so already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file, the fault and the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _full(path)):
            raise StoreFull(f"{path}: {_FULL[0]}. {_FULL[1]}.") from error
        for beginning, (rule, remedy) in _FAULTS.items():
            if name.startswith(beginning):
                raise StoreError(f"{path}: {rule} ({error}). {remedy}.") from error
        raise StoreError(f"{path}: {error} ({name}). Please report this.") from error


def _check_or_mark(path: Path, connection: sqlite3.Connection) -> None:
    """Mark a new file as a store, or check an existing one and bring it to this schema."""
    with transaction(connection):
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (application, _version(connection), tables) == (0, 0, 0):
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
    if application != _APPLICATION_ID:
        rule, remedy = _FAULTS["SQLITE_NOTADB"]
        raise StoreError(f"{path}: {rule}. {remedy}.")
    _check_version(path, connection)
    if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        rule, remedy = _FAULTS["SQLITE_CORRUPT"]
        raise StoreError(f"{path}: {rule} ({found}). {remedy}.")
    if _version(connection) < SCHEMA_VERSION:
        with transaction(connection):
            migrate(connection, _version(connection))


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    if (version := _version(connection)) > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: has schema version {version}, and this program reads up to {SCHEMA_VERSION}."
            " Run the version that wrote it, or move the file away."
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _path_of(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def _full(path: Path) -> bool:
    """Whether the disk of ``path`` has hardly any space left."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LITTLE_SPACE
