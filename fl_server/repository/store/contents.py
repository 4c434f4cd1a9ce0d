"""The content files of components in a repository's folder, each under its own digest.

Who serves the folder may be able to write it, and can then exchange a file at any time. So content
is used from a copy of one's own that was hashed while it was made (``own_copies``), never from the
folder after a check.
"""

import hashlib
import mmap
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from fl_common.components.description import Component, ContentFile
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import sha256_of, whole_file

_CHUNK = 1 << 20
_PRIVATE_KEY = b"PRIVATE KEY-----"
"""In the first line of a private key's PEM file (RFC 7468)."""


def described(path: str, source: Path) -> ContentFile:
    """A file's entry in the manifest.

    Raises:
        InvalidData: it has a private key in it, which would be published.
    """
    size = source.stat().st_size
    if size and _has(source, _PRIVATE_KEY):
        raise InvalidData(f"{path}", "has a private key in it", "Take the key out of it")
    return ContentFile(path, size, sha256_of(source))


def keep_content(folder: Path, file: ContentFile, source: Path) -> None:
    """Copy ``source`` to its place in the repository, unless it exists.

    Raises:
        InvalidData: it has changed since it was described.
    """
    place = content_path(folder, file)
    if place.is_file() and place.stat().st_size == file.bytes and sha256_of(place) == file.sha256:
        return
    with source.open("rb") as content, whole_file(place) as copy:
        shutil.copyfileobj(content, copy)
    if sha256_of(place) != file.sha256:
        place.unlink()
        raise InvalidData(f"{source}", "changed while it was added", "Add it again")


@contextmanager
def own_copies(folder: Path, component: Component) -> Iterator[dict[str, Path]]:
    """Copies of a component's content by path, which nobody else can write, for the block.

    Raises:
        InvalidConfiguration: content is missing, or is not what the manifest says.
    """
    with TemporaryDirectory(prefix="fl-repo-") as workplace:
        yield {
            file.path: _copy(component, folder, file, Path(workplace, str(n)))
            for n, file in enumerate(component.files)
        }


def content_of_file(folder: Path, component: Component, file: ContentFile) -> bytes:
    """The content of one file of a component.

    Raises:
        InvalidConfiguration: as for ``own_copies``.
    """
    with _opened(component, folder, file) as source:
        content = source.read(file.bytes + 1)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise lacking(component, file)
    return content


def open_regular(path: Path, folder: int | None = None) -> BinaryIO:
    """Open a regular file, and nothing that it may have been exchanged for.

    ``path`` is relative to the open ``folder`` where that is given.

    Raises:
        OSError: it is a link, a device or a pipe, or can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "is not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def lacking(component: Component, file: ContentFile) -> InvalidConfiguration:
    """The error for content that is not there as it was signed."""
    return InvalidConfiguration(
        str(component), f"lacks its content {file.path}", "Add it again with: fl-repo add"
    )


def parameters_path(folder: Path, digest: str) -> Path:
    """The cloud's own copy of the parameters of the model with this digest.

    They are not content: no site fetches them.
    """
    return folder / "parameters" / f"{digest}.npz"


def content_path(folder: Path, file: ContentFile) -> Path:
    """The path of a content file in the repository ``folder``."""
    return folder / "targets" / "content" / f"{file.sha256}.data"


def _has(path: Path, part: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(part) >= 0


def _opened(component: Component, folder: Path, file: ContentFile) -> BinaryIO:
    try:
        return open_regular(content_path(folder, file))
    except OSError as error:
        raise lacking(component, file) from error


def _copy(component: Component, folder: Path, file: ContentFile, place: Path) -> Path:
    """Copy a file's content to ``place``; its digest is of the bytes that were written."""
    found, left = hashlib.sha256(), file.bytes
    with _opened(component, folder, file) as content, place.open("xb") as copy:
        while (chunk := content.read(_CHUNK)) and left >= 0:
            left -= len(chunk)
            found.update(chunk)
            copy.write(chunk)
    if found.hexdigest() != file.sha256:
        raise lacking(component, file)
    return place
