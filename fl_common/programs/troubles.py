"""What a program does not do at the moment, which of its parts, why, and since when.

A part that can't do what it is for calls ``begin``; once it can again, ``end``. Health is red while
one is listed. The first of each is logged with its cause and remedy, and its end is; between the
two nothing is. A part that comes and goes is logged a few times and then only counted, until it has
been well for some minutes.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fl_common.programs.text import visible

_logger = logging.getLogger(__name__)
_EPISODE_S = 600.0
"""A part that was well for as long begins a new episode; of one only the first beginnings are
logged."""
_MOST_LOGGED = 3
_COMES_AND_GOES = " It comes and goes: further changes are counted, and not logged"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What ``part`` fails to do, in two sentences; ``since_s`` is in seconds since 1970."""

    part: str
    cause: str
    remedy: str
    since_s: float

    def __str__(self) -> str:
        """One line for the log."""
        return f"{self.part}: {self.cause} (since {self.since}). {self.remedy}."

    @property
    def since(self) -> str:
        """When it began (UTC), in the form of ISO 8601."""
        text = datetime.fromtimestamp(self.since_s, UTC).isoformat(timespec="seconds")
        return text.replace("+00:00", "Z")

    def shown(self) -> dict[str, str]:
        """JSON values for /healthz, the status and messages."""
        return {"part": self.part, "cause": self.cause, "remedy": self.remedy, "since": self.since}


@dataclass
class _History:
    """A part's beginnings: all, and those that were logged in this episode; and its last end."""

    begun: int = 0
    logged: int = 0
    unlogged: int = 0
    ended_s: float | None = None


class Troubles:
    """The troubles of a program by their parts. Any thread may call any method.

    A ``part`` is a short name of public configuration (``sensor watch``, ``store``); it has one
    trouble at a time. ``clock`` returns seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._found: dict[str, Trouble] = {}
        self._histories: dict[str, _History] = {}

    def begin(self, part: str, cause: str, remedy: str) -> None:
        """Note that ``part`` fails for ``cause``, and what to do about it.

        Repeated calls keep the time of the first, and are logged only if the cause is another.
        Neither text ends with a full stop.
        """
        with self._lock:
            before = self._found.get(part)
            since_s = self._clock() if before is None else before.since_s
            trouble = Trouble(part, visible(cause), remedy, since_s)
            self._found[part] = trouble
            if before is not None and before.cause == trouble.cause:
                return
            history = self._histories.setdefault(part, _History())
            history.begun += before is None
            if history.logged == _MOST_LOGGED:
                history.unlogged += 1
                return
            history.logged += 1
            last = history.logged == _MOST_LOGGED
        _logger.warning("%s%s", trouble, _COMES_AND_GOES if last else "")

    def end(self, part: str) -> None:
        """Note that ``part`` does what it is for; does nothing if it did before."""
        with self._lock:
            before = self._found.pop(part, None)
            if before is None:
                return
            history = self._histories[part]
            history.ended_s = self._clock()
            if history.unlogged:
                return
        _logger.info("%s: works again after %.0f s", part, self._clock() - before.since_s)

    def current(self) -> tuple[Trouble, ...]:
        """The troubles at the moment, the oldest first."""
        with self._lock:
            self._close_episodes()
            found = tuple(self._found.values())
        return tuple(sorted(found, key=lambda trouble: trouble.since_s))

    def begun(self) -> dict[str, int]:
        """How often each part's trouble began."""
        with self._lock:
            return {part: history.begun for part, history in self._histories.items()}

    def _close_episodes(self) -> None:
        """Log the end of what came and went, once it is over."""
        now_s = self._clock()
        for part, history in self._histories.items():
            ended_s = history.ended_s
            over = ended_s is not None and abs(now_s - ended_s) > _EPISODE_S  # it may be set back
            if history.logged and over and part not in self._found:
                if history.unlogged:
                    words = "%s: has worked for %.0f s; it changed %d times more than was logged"
                    _logger.info(words, part, _EPISODE_S, history.unlogged)
                history.logged = history.unlogged = 0
