"""The files of a new component: one file, a folder, or an archive, each copied or unpacked safely.

What is returned lies in a folder of our own, so that it can't change between two looks at it.
"""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from fl_common.components.description import check_paths
from fl_common.errors import InvalidData
from fl_common.files.packed import METHODS, Pieces, Unpacked
from fl_server.repository.store.contents import open_regular

_TARS, _ZIPPED_TARS = (".tar",), (".tar.gz", ".tgz")
_ARCHIVES = (".zip", *_TARS, *_ZIPPED_TARS)
_CHUNK = 1 << 20
_MOST_FILES = 10_000
_LONGEST_PATH = 1000
_HEADERS = _MOST_FILES * 4096
"""Bytes that an archive may have beside its files' content, unpacked."""


def content_of(path: Path, workplace: Path, most_bytes: int) -> dict[str, Path]:
    """A copy in ``workplace`` of every file at ``path``, by its path in the component.

    A folder is walked, an archive (zip, tar, tar.gz) unpacked.

    Raises:
        InvalidData: a link, a device or a path outside, in either; too many bytes or files; or no
            file.
    """
    if path.is_symlink() or not path.exists():
        raise _refused(path, "is a link or is not there")
    if path.is_dir():
        _unfold(path, _walked(path), workplace, most_bytes)
    elif path.name.endswith(_ARCHIVES):
        unpack(path, workplace, most_bytes)
    else:
        _unfold(path, iter([(path.name, _opened(path))]), workplace, most_bytes)
    found = {
        file.relative_to(workplace).as_posix(): file
        for file in sorted(workplace.rglob("*"))
        if file.is_file()
    }
    if not found:
        raise _refused(path, "has no file")
    check_paths(list(found))
    return found


def unpack(archive: Path, into: Path, most_bytes: int) -> None:
    """Unpack the regular files of a zip or tar into the empty folder ``into``.

    Memory does not grow with what is in it: neither with what a file unpacks to, nor with the size
    of a header or of the list of files.

    Raises:
        InvalidData: a path that is absolute, hidden or leaves the folder, a link, a device, a path
            given twice, more than ``most_bytes`` unpacked, too many files, or a damaged archive.
    """
    try:
        with _opened(archive) as file:
            members = _of_zip if archive.name.endswith(".zip") else _of_tar
            _unfold(archive, members(archive, file, most_bytes), into, most_bytes)
    except InvalidData:
        raise
    except Exception as error:  # errors of the library for a damaged archive have no common base
        shutil.rmtree(into, ignore_errors=True)
        raise _refused(archive, f"can't be unpacked ({type(error).__name__}: {error})") from error


def _unfold(
    source: Path, members: Iterator[tuple[str, IO[bytes]]], into: Path, most_bytes: int
) -> None:
    """Write each member's content below ``into``."""
    left = most_bytes
    for count, (name, stream) in enumerate(members):
        if count >= _MOST_FILES:
            raise _refused(source, f"has more than {_MOST_FILES} files")
        place = into / _safe(source, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        with stream, place.open("xb") as file:
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise _refused(source, f"unpacks to more than {most_bytes} bytes")
                file.write(chunk)


def _walked(top: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Each file below ``top``; folders are held open, so that none can become a link meanwhile."""
    for folder, folders, names, descriptor in os.fwalk(top):
        for name in (*folders, *names):
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise _refused(Path(folder, name), "is a link or a device")
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name).relative_to(top).as_posix()
            yield path, open_regular(Path(name), descriptor)


def _opened(path: Path) -> IO[bytes]:
    try:
        return open_regular(path)
    except OSError as error:
        raise _refused(path, f"can't be read as a plain file ({error.strerror})") from error


def _of_zip(archive: Path, file: IO[bytes], most_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file; anything other than a file or folder is refused."""
    with zipfile.ZipFile(Pieces(file)) as packed:
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, f"has a link or a device, {info.filename[:80]!r}")
            if info.compress_type not in METHODS:
                raise _refused(archive, f"packs {info.filename[:80]!r} in an unusual way")
            if not info.is_dir():
                yield info.filename, packed.open(info)


def _of_tar(archive: Path, file: IO[bytes], most_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    is_zipped = archive.name.endswith(_ZIPPED_TARS)
    stream = gzip.GzipFile(fileobj=file) if is_zipped else file
    source = Unpacked(cast(IO[bytes], stream), most_bytes + _HEADERS)
    with tarfile.open(fileobj=source, mode="r:") as packed:
        for count, member in enumerate(packed):
            if count >= _MOST_FILES:
                raise _refused(archive, f"has more than {_MOST_FILES} files")
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise _refused(archive, f"has a link or a device, {member.name[:80]!r}")
            if (content := packed.extractfile(member)) is not None:
                yield member.name, content


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise _refused(archive, f"has a path outside of it, {name[:80]!r}")
    if len(name) > _LONGEST_PATH:
        raise _refused(archive, f"has a path that is too long, {name[:80]!r}")
    if any(part.startswith(".") for part in path.parts):
        rule = f"has a hidden file, {name[:80]!r}, and such files often hold passwords"
        raise InvalidData(f"{archive}", rule, "Give a copy without it")
    return path


def _refused(path: Path, rule: str) -> InvalidData:
    return InvalidData(f"{path}", rule, "Give plain files, a folder or an archive of such")
