"""Backups: a folder as one archive (tar, gzip), which can be taken while its program runs.

SQLite databases are copied by SQLite, so that each is as it was at one moment; every other file is
one that its program replaces whole. An archive is its owner's alone, and complete or absent. It is
restored to a folder that is not there yet, which appears complete.
"""

import gzip
import secrets
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import OWNER_ONLY, PART, make_folder, move_whole, sync, whole_path

Keeps = Callable[[PurePath], bool]
"""Whether a path below the folder, which is a file or a folder, belongs into the backup."""
_SQLITE = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")
_PRIVATE = 0o700
_CHUNK = 1 << 20


def write_backup(folder: Path, archive: Path, keeps: Keeps) -> int:
    """Write what ``keeps`` keeps of ``folder`` to the new file ``archive``; the number of files.

    Raises:
        InvalidConfiguration: the folder has nothing to keep, or a file can't be read or written.
    """
    try:
        with (
            TemporaryDirectory(prefix="backup-") as work,
            whole_path(archive, OWNER_ONLY, new=True) as part,
            tarfile.open(part, "w:gz") as tar,
        ):
            files = 0
            for name in _files(folder, PurePath(), keeps):
                tar.add(_at_one_moment(folder / name, Path(work)), str(name))
                files += 1
            if not files:
                rule, remedy = "has nothing to back up", "Name the folder of a box or a server"
                raise InvalidConfiguration(f"home={folder}", rule, remedy)
            return files
    except FileExistsError as error:
        raise InvalidConfiguration(str(archive), "exists already", "Name a new file") from error
    except (OSError, sqlite3.Error) as error:
        raise InvalidConfiguration(
            str(archive), f"can't be written ({error})", "Name another file or folder"
        ) from error


def restore_backup(archive: Path, folder: Path) -> int:
    """Unpack ``archive`` into ``folder``, which must not exist; the number of files.

    Raises:
        InvalidConfiguration: it exists, or the archive is none, is damaged, or has anything but
            files and folders below it.
    """
    if folder.exists():
        rule, remedy = "exists already", "Name a folder that does not, or move it"
        raise InvalidConfiguration(f"home={folder}", rule, remedy)
    make_folder(folder.absolute().parent)
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}{PART}")
    make_folder(part, _PRIVATE)
    try:
        files = _unpack(archive, part)
        move_whole(part, folder)
        return files
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise InvalidConfiguration(
            str(archive), f"can't be restored ({error})", "Name a backup, or an older one"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(archive: Path, place: Path) -> int:
    files = 0
    with gzip.open(archive) as content, tarfile.open(fileobj=content, mode="r|") as tar:
        for member in tar:
            if not member.isfile():
                raise tarfile.TarError(f"{member.name[:80]!r} is no file")
            tar.extract(member, place, filter="data")
            (place / member.name).chmod(OWNER_ONLY)
            sync(place / member.name)
            files += 1
        while content.read(_CHUNK):  # to its checksum
            pass
    for path in (place, *place.rglob("*")):
        if path.is_dir():
            path.chmod(_PRIVATE)
            sync(path)
    return files


def _files(folder: Path, below: PurePath, keeps: Keeps) -> Iterator[PurePath]:
    """The files to keep, by name. Links are not followed."""
    for path in sorted((folder / below).iterdir()):
        name = below / path.name
        if path.is_symlink() or path.name.endswith((PART, *_BESIDE)) or not keeps(name):
            continue
        if path.is_dir():
            yield from _files(folder, name, keeps)
        elif path.is_file():
            yield name


def _at_one_moment(path: Path, work: Path) -> Path:
    """``path``, or a copy of it if it is a database."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return path
    copy = work / secrets.token_hex(8)
    with (
        closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy
