"""The content files of components in a repository's folder, each under its own digest."""

import shutil
from pathlib import Path

from fl_common.components.description import ContentFile
from fl_common.errors import InvalidData
from fl_common.files import sha256_of, whole_file


def described(path: str, source: Path) -> ContentFile:
    """A file's entry in the manifest."""
    return ContentFile(path, source.stat().st_size, sha256_of(source))


def keep_content(folder: Path, file: ContentFile, source: Path) -> None:
    """Copy ``source`` to its place in the repository, unless it exists.

    Raises:
        InvalidData: it has changed since it was described.
    """
    place = content_path(folder, file)
    if place.is_file() and place.stat().st_size == file.bytes:
        return
    with source.open("rb") as content, whole_file(place) as copy:
        shutil.copyfileobj(content, copy)
    if sha256_of(place) != file.sha256:
        place.unlink()
        raise InvalidData(f"{source}", "changed while it was added", "Add it again")


def parameters_path(folder: Path, digest: str) -> Path:
    """The cloud's own copy of the parameters of the model with this digest.

    They are not content: no site fetches them.
    """
    return folder / "parameters" / f"{digest}.npz"


def content_path(folder: Path, file: ContentFile) -> Path:
    """The path of a content file in the repository ``folder``."""
    return folder / "targets" / "content" / f"{file.sha256}.data"
