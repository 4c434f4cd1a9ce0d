"""Atomic, durable file writes: a file is complete or absent, even after a crash or a power cut.

A file is written under a temporary name in the same folder, synced and renamed, and the folder is
synced. So a name has the old content or all of the new. Nothing else in the project renames or
syncs files (``tests/test_calls.py`` has the exceptions).
"""

import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fl_common.errors import InvalidConfiguration

OWNER_ONLY = 0o600
"""Mode of a file that only its owner may read."""
PART = ".part"
"""Suffix of a file that is not complete yet."""
_READABLE = 0o644
_POLL_S = 0.05


def write_whole(path: Path, content: bytes, mode: int = _READABLE, *, new: bool = False) -> None:
    """Write ``content`` to ``path``, atomically and durably; see ``whole_file``."""
    with whole_file(path, mode, new=new) as file:
        file.write(content)


def append(path: Path, content: bytes, mode: int = _READABLE) -> None:
    """Add ``content`` to the end of a file, synced; a crash may leave a part of it there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode)
    with os.fdopen(descriptor, "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def write_all(content_of: Mapping[Path, bytes]) -> None:
    """Write files, and then sync all of them, which is faster than one at a time."""
    for path, content in content_of.items():
        path.write_bytes(content)
    for path in (*content_of, *{path.parent for path in content_of}):
        sync(path)


@contextmanager
def whole_file(path: Path, mode: int = _READABLE, *, new: bool = False) -> Iterator[BinaryIO]:
    """Open a file that appears at ``path``, synced, when the block ends without an error.

    Missing folders are created. It has ``mode``, less what the umask withholds, from its first
    byte on. An older file is replaced.

    Raises:
        FileExistsError: the file exists, but had to be ``new``.
    """
    make_folder(path.parent)
    with whole_path(path, mode, new=new) as part, part.open("wb") as file:
        yield file


@contextmanager
def whole_path(path: Path, mode: int = _READABLE, *, new: bool = False) -> Iterator[Path]:
    """As ``whole_file``, for a writer that needs a path instead of an open file.

    The folder must exist.

    Raises:
        FileExistsError: the file exists, but had to be ``new``.
    """
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{PART}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield part
        sync(part)
        _place(part, path, new)
    except OSError as error:
        if error.filename in (None, str(part)):  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def move_whole(source: Path, path: Path) -> None:
    """Rename a synced file or folder to ``path``, durably; a file there is replaced."""
    source.replace(path)
    sync(path.parent)
    if source.parent != path.parent:
        sync(source.parent)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Create the folder ``path`` with ``mode``, and missing folders above it, durably."""
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode, parents=True, exist_ok=True)
    for folder in absent:
        sync(folder.parent)


def _place(part: Path, path: Path, new: bool) -> None:
    """Rename ``part`` to ``path``; writers of new files in one folder wait for each other."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        if new:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        part.replace(path)
        os.fsync(folder)
    finally:
        os.close(folder)


def sync(path: Path) -> None:
    """Sync the file or folder at ``path`` to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(top: Path) -> None:
    """Sync ``top`` and all folders below it to disk."""
    for folder in (top, *(path for path in top.rglob("*") if path.is_dir())):
        sync(folder)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock file at ``path``, waiting for another holder for up to ``seconds``.

    The lock is released when its process ends, for whatever reason.

    Raises:
        InvalidConfiguration: another writer still holds it.
    """
    end = time.monotonic() + seconds
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise InvalidConfiguration(
                        f"{path.parent}",
                        f"has been held by another writer for {seconds:g} s",
                        "Try again when it has ended",
                    ) from None
                time.sleep(_POLL_S)
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file at ``path`` at this moment."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
