"""Files that are whole or absent, through a crash or a power cut too."""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fl_common.errors import InvalidConfiguration

_POLL_S = 0.05


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, on disk; folders above it are made."""
    with whole_file(path) as file:
        file.write(content)


def write_all(content_of: Mapping[Path, bytes]) -> None:
    """Write each file in place, and have all of them on disk: one wait for many files."""
    for path, content in content_of.items():
        path.write_bytes(content)
    for path in (*content_of, *{path.parent for path in content_of}):
        sync(path)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that stands at ``path`` when the block has ended without an error, and is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            yield file
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have the file or folder at ``path`` on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(top: Path) -> None:
    """Have the entries of ``top`` and of all folders below it on disk."""
    for folder in (top, *(path for path in top.rglob("*") if path.is_dir())):
        sync(folder)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock file at ``path``, waiting for another holder for up to ``seconds``.

    The lock goes with the process that holds it, however that ends.

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
