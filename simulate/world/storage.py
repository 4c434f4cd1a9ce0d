"""Files of ours outside the outputs folder: where they lie, and how they are written whole."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def cache_folder() -> Path:
    """Where downloads and parsed archives are kept; may not exist yet.

    ``$XDG_CACHE_HOME/join-the-dots``, else ``~/.cache/join-the-dots`` (XDG Base Directory
    Specification 0.8, which has a relative path ignored).
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = chosen if chosen.is_absolute() else Path.home() / ".cache"
    return base / "join-the-dots"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that has its name only when it is complete and on the disk.

    Its folder is created. When the block raises, nothing is left and an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
