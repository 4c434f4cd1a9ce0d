"""The thread that shows waiting events to functions, beside the sensing thread."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_client.functions.host import HostClosed
from fl_client.functions.named import MOST_HELD
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Shown
from fl_client.store.function_inbox import WaitingEvent
from fl_client.store.function_memory import Memories
from fl_common.programs.troubles import Troubles

_END_S = 10.0
_PART, _ENDED = "function thread", "it ended by a fault of this program, and windows wait"
_RESTART = "Restart the node, and report what the log says"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShownEvent:
    """An event of the inbox, and what became of it."""

    number: int
    shown: Shown


class FunctionThread:
    """Calls ``functions`` for the events that are handed over, in order.

    What it gives back has no effect until it is committed; after ``restart`` it goes on from a
    commit, and what was under way is forgotten.
    """

    def __init__(self, functions: Functions, troubles: Troubles) -> None:
        self.functions, self._troubles = functions, troubles
        self._tell: Callable[[], object] = _nothing
        self._work: queue.SimpleQueue[tuple[int, WaitingEvent | Memories] | None]
        self._work = queue.SimpleQueue()
        self._found = deque[tuple[int, ShownEvent]]()
        self._life = 0
        self._under_way = 0
        self._handed_to = 0
        self._thread: threading.Thread | None = None
        self._answered = threading.Event()
        self._fault: Exception | None = None

    def when_answered(self, tell: Callable[[], object]) -> None:
        """Call ``tell``, from this thread, whenever there is something to take."""
        self._tell = tell

    def restart(self, memories: Memories) -> None:
        """Forget what was handed over, and go on from ``memories``."""
        self._life += 1
        self._found.clear()
        self._under_way = self._handed_to = 0
        self._work.put((self._life, memories))

    def hand(self, after: Callable[[int, int], Sequence[WaitingEvent]]) -> None:
        """Hand over what there is room for of the windows that ``after`` gives: see the inbox."""
        room = MOST_HELD - self._under_way
        if room < MOST_HELD // 2:
            return
        for event in after(self._handed_to, room):
            self._handed_to = event.number
            self._under_way += 1
            self._work.put((self._life, event))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="functions", daemon=True)
                self._thread.start()

    def take(self) -> list[ShownEvent]:
        """What became of windows since the last call."""
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
            self._show_all()
        except HostClosed:
            pass
        except Exception as error:  # a fault of this program: no function is called any more
            self._fault = error
            _logger.exception("the thread of the functions ended")
            self._troubles.begin(_PART, f"{_ENDED} ({type(error).__name__}: {error})", _RESTART)

    def _show_all(self) -> None:
        """Until the end; raises HostClosed."""
        while (work := self._work.get()) is not None:
            life, item = work
            if life != self._life:
                continue
            if not isinstance(item, WaitingEvent):
                self.functions.go_on_from(item)
                continue
            shown = self.functions(item.event, item.only)
            self._found.append((life, ShownEvent(item.number, shown)))
            self._answered.set()
            self._tell()


def _nothing() -> None:
    """Nobody waits."""
