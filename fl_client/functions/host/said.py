"""Logs what functions say, so that none fills the log of a box."""

import logging
import time
from collections.abc import Callable, Sequence

_logger = logging.getLogger(__name__)
MOST_A_MINUTE = 100
"""Lines of each function."""
_MINUTE_S = 60.0


class Said:
    """What functions have said, by what they are called in the log; ``clock`` gives seconds.

    Beyond ``MOST_A_MINUTE`` lines of one are counted, and the next minute says how many.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[float, int, int]] = {}  # the minute, and lines in it, and more

    def log(self, title: str, lines: Sequence[tuple[int, str]], more: int) -> int:
        """Log levels and texts of a call that had ``more`` lines; how many were not logged."""
        now = self._clock()
        began, logged, left = self._since.get(title, (now, 0, 0))
        if now - began >= _MINUTE_S:
            if left:
                _logger.warning("function %s: %d lines of the last minute that it logged in"
                                " were left out", title, left)  # fmt: skip
            began, logged, left = now, 0, 0
        room = MOST_A_MINUTE - logged
        for level, text in lines[:room]:
            _logger.log(level, "function %s: %s", title, text)
        unsaid = more + max(0, len(lines) - room)
        self._since[title] = began, logged + min(room, len(lines)), left + unsaid
        return unsaid
