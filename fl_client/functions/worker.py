"""A thread that works on what waits in the store, beside the sensing thread."""

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from fl_client.functions.host import HostClosed
from fl_common.programs.troubles import Troubles

_END_S = 10.0
_TELL_EVERY_S = 0.05
_ENDED = "it ended by a fault of this program, and windows wait"
_RESTART = "Restart the node, and report what the log says"
_logger = logging.getLogger(__name__)


class Numbered(Protocol):
    """Something that waits in the store."""

    @property
    def number(self) -> int:
        """Its place there."""
        ...


_Start = TypeVar("_Start")
_Item = TypeVar("_Item", bound=Numbered)
_Found = TypeVar("_Found")


class Worker(ABC, Generic[_Start, _Item, _Found]):
    """Works on the items that are handed over, in order; a subclass says how.

    What it gives back has no effect until it is committed; after ``restart`` it goes on from a
    commit, and what was under way is forgotten. ``what`` it is for, ``function`` or ``shape``,
    names it; ``most`` items may be under way.
    """

    def __init__(self, what: str, most: int, troubles: Troubles) -> None:
        self._what, self._most, self._troubles = what, most, troubles
        self._tell: Callable[[], object] = _nothing
        self._work: queue.SimpleQueue[tuple[int, Callable[[Any], _Found | None], Any] | None]
        self._work = queue.SimpleQueue()
        self._found = deque[tuple[int, _Found]]()
        self._life = self._under_way = self._handed_to = 0
        self._thread: threading.Thread | None = None
        self._answered = threading.Event()
        self._fault: Exception | None = None
        self._told = 0.0

    @abstractmethod
    def _begin(self, start: _Start) -> None:
        """Go on from ``start``, in the thread."""

    @abstractmethod
    def _do(self, item: _Item) -> _Found:
        """What becomes of ``item``, in the thread. Raises HostClosed."""

    def when_answered(self, tell: Callable[[], object]) -> None:
        """Call ``tell``, from the thread, soon after there is something to take."""
        self._tell = tell

    def restart(self, start: _Start) -> None:
        """Forget what was handed over, and go on from ``start``."""
        self._life += 1
        self._found.clear()
        self._under_way = self._handed_to = 0
        self._work.put((self._life, self._begin, start))

    def hand(self, after: Callable[[int, int], Sequence[_Item]]) -> None:
        """Hand over what there is room for of the items that ``after`` gives: see the store."""
        room = self._most - self._under_way
        if room < self._most // 2:
            return
        for item in after(self._handed_to, room):
            self._handed_to = item.number
            self._under_way += 1
            self._work.put((self._life, self._do, item))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
                self._thread.start()

    def take(self) -> list[_Found]:
        """What became of items since the last call."""
        taken = []
        while self._found:
            life, found = self._found.popleft()
            if life == self._life:
                taken.append(found)
        self._under_way -= len(taken)
        return taken

    def wait(self, seconds: float) -> None:
        """Until there is something to take; at most ``seconds``, and not for nothing.

        Raises:
            Exception: the fault by which the thread ended, after which nothing ever comes.
        """
        if self._fault is not None:
            raise self._fault
        if self._under_way and not self._found:
            self._answered.wait(seconds)
        self._answered.clear()

    def close(self) -> None:
        """End the thread after the call that is under way; call it after the host was closed."""
        self._work.put(None)
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            self._do_all()
        except HostClosed:
            pass
        except Exception as error:  # a fault of this program: nothing is worked on any more
            self._fault = error
            _logger.exception("the thread of the %ss ended", self._what)
            cause = f"{_ENDED} ({type(error).__name__}: {error})"
            self._troubles.begin(f"{self._what} thread", cause, _RESTART)

    def _do_all(self) -> None:
        """Until the end; raises HostClosed."""
        while (work := self._work.get()) is not None:
            life, call, given = work
            if life == self._life and (found := call(given)) is not None:
                self._found.append((life, found))
                self._tell_in_time()

    def _tell_in_time(self) -> None:
        """Tell at once of the last one that is at hand, and of others together.

        Each telling may become a commit to the disk, which costs more than a call.
        """
        now = time.monotonic()
        if self._work.empty() or now - self._told >= _TELL_EVERY_S:
            self._told = now
            self._answered.set()
            self._tell()


def _nothing() -> None:
    """Nobody waits."""
