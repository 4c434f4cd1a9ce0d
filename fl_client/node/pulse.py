"""Whether the two threads of sensing move: the loop, and the worker for the disk and the model."""

import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
_LIBRARY = sysconfig.get_path("stdlib")


class Pulse:
    """``timer`` is a clock in seconds that nobody sets. Any thread may call ``stuck``."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._seen: dict[str, tuple[int, float]] = {}  # the thread, and since when it is silent

    def work(self, step: Callable[[], _T]) -> _T:
        """Do a step in the thread that calls this; until it ends, the worker is silent."""
        self._seen["worker"] = threading.get_ident(), self._timer()
        try:
            return step()
        finally:
            del self._seen["worker"]

    def beat(self) -> None:
        """Note that the loop moves; call it in the loop, every second or so."""
        self._seen["loop"] = threading.get_ident(), self._timer()

    def stuck(self, longest_s: float) -> Iterator[tuple[str, str]]:
        """The threads that have been silent for longer, and where each is at the moment."""
        now, frames = self._timer(), sys._current_frames()
        for name, (thread, since) in list(self._seen.items()):
            if now - since > longest_s:
                yield name, _place(frames.get(thread))


def _place(frame: FrameType | None) -> str:
    """The innermost line that is neither Python's own nor waits for a lock."""
    while frame is not None and _is_python_s(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"


def _is_python_s(file: str) -> bool:
    return file.startswith(_LIBRARY) and "site-packages" not in file
