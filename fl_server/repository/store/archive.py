"""The files of a new component: one file, a folder, or an archive, which is unpacked safely."""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from fl_common.components.description import check_paths
from fl_common.errors import InvalidData

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_CHUNK = 1 << 20


def content_of(path: Path, workplace: Path, most_bytes: int) -> dict[str, Path]:
    """Every file at ``path``, by its path in the component.

    A folder is walked, an archive (zip, tar) unpacked into ``workplace``.

    Raises:
        InvalidData: a link, a device or a path outside, in either; too many bytes; or no file.
    """
    if path.is_symlink() or not path.exists():
        raise _refused(path, "is a link or is not there")
    if path.is_file() and not path.name.endswith(_ARCHIVES):
        return {path.name: path}
    if path.is_file():
        unpack(path, workplace, most_bytes)
    top = workplace if path.is_file() else path
    found = {}
    for file in sorted(top.rglob("*")):
        if file.is_symlink() or not (file.is_dir() or file.is_file()):
            raise _refused(file, "is a link or a device")
        if file.is_file():
            found[file.relative_to(top).as_posix()] = file
    if not found:
        raise _refused(path, "has no file")
    check_paths(list(found))
    return found


def unpack(archive: Path, into: Path, most_bytes: int) -> None:
    """Unpack the regular files of a zip or tar into the empty folder ``into``.

    Raises:
        InvalidData: a path that is absolute or leaves the folder, a link, a device, a path given
            twice, more than ``most_bytes`` unpacked, or a damaged archive.
    """
    left = most_bytes
    try:
        for name, stream in _members(archive):
            place = into / _safe(archive, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            with stream, place.open("xb") as file:
                while chunk := stream.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise _refused(archive, f"unpacks to more than {most_bytes} bytes")
                    file.write(chunk)
    except InvalidData:
        raise
    except Exception as error:  # errors of the library for a damaged archive have no common base
        shutil.rmtree(into, ignore_errors=True)
        raise _refused(archive, f"can't be unpacked ({type(error).__name__}: {error})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file; anything other than a file or folder is refused."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, f"has a link or a device, {info.filename[:80]!r}")
                if not info.is_dir():
                    yield info.filename, packed.open(info)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            if not (member.isreg() or member.isdir()):
                raise _refused(archive, f"has a link or a device, {member.name[:80]!r}")
            if (stream := packed.extractfile(member)) is not None:
                yield member.name, stream


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise _refused(archive, f"has a path outside of it, {name[:80]!r}")
    return path


def _refused(path: Path, rule: str) -> InvalidData:
    return InvalidData(f"{path}", rule, "Give plain files, a folder or an archive of such")
