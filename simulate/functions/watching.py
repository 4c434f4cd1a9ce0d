"""Waits for a folder's files to change, by their content: a file that is only touched has not."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_LOOK_EVERY_S = 0.3


def changes(folder: Path, wait: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Once at the beginning, and then after each change of a file in ``folder``, until Ctrl-C.

    A text that is being saved is taken when two looks in a row find the same.
    """
    with suppress(KeyboardInterrupt):
        shown = None
        while True:
            before = content_of(folder)
            wait(0.0 if shown is None else _LOOK_EVERY_S)
            now = content_of(folder)
            if now == before != shown:
                shown = now
                yield


def content_of(folder: Path) -> str:
    """A digest of the files in ``folder``."""
    digest = hashlib.sha256()
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            with suppress(OSError):
                if path.is_file():
                    digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
