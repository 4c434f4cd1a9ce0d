"""The thread that lets the shapes work on waiting windows, beside the sensing thread."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_client.functions.host import HostClosed
from fl_client.shapes.calling import Caller, Shaped
from fl_client.shapes.held import HeldShape
from fl_client.store.unshaped import WaitingWindow
from fl_common.programs.troubles import Troubles

_HELD = 64
"""Windows that may be under way, all of which a failed commit makes anew."""
_END_S = 10.0
_PART, _ENDED = "shape thread", "it ended by a fault of this program, and windows wait"
_RESTART = "Restart the node, and report what the log says"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShapedWindow:
    """A window of the store, and what each of the shapes made of it, in their order."""

    waiting: WaitingWindow
    made: Sequence[Shaped]


@dataclass(frozen=True)
class _Life:
    """What is under way since the store was opened."""

    number: int
    shapes: tuple[HeldShape, ...]


class ShapeThread:
    """Calls shapes by ``caller`` for the windows that are handed over, in order.

    What it gives back has no effect until it is committed; ``restart`` forgets what is under way.
    """

    def __init__(self, caller: Caller, troubles: Troubles) -> None:
        self.caller, self._troubles = caller, troubles
        self._tell: Callable[[], object] = _nothing
        self._work: queue.SimpleQueue[tuple[_Life, WaitingWindow | None] | None]
        self._work = queue.SimpleQueue()
        self._found = deque[tuple[_Life, ShapedWindow]]()
        self._life = _Life(0, ())
        self._under_way = self._handed_to = 0
        self._thread: threading.Thread | None = None
        self._answered = threading.Event()
        self._fault: Exception | None = None

    def when_answered(self, tell: Callable[[], object]) -> None:
        """Call ``tell``, from this thread, whenever there is something to take."""
        self._tell = tell

    def restart(self, shapes: Sequence[HeldShape]) -> None:
        """Forget what was handed over; windows go through these from now on."""
        self._life = _Life(self._life.number + 1, tuple(shapes))
        self._found.clear()
        self._under_way = self._handed_to = 0
        self._work.put((self._life, None))

    def hand(self, after: Callable[[int, int], Sequence[WaitingWindow]]) -> None:
        """Hand over what there is room for of the windows that ``after`` gives."""
        room = _HELD - self._under_way
        if not self._life.shapes or room < _HELD // 2:
            return
        for one in after(self._handed_to, room):
            self._handed_to = one.number
            self._under_way += 1
            self._work.put((self._life, one))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shapes", daemon=True)
                self._thread.start()

    def take(self) -> list[ShapedWindow]:
        """What became of windows since the last call."""
        taken = []
        while self._found:
            life, found = self._found.popleft()
            if life is self._life:
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
            self._shape_all()
        except HostClosed:
            pass
        except Exception as error:  # a fault of this program: no window is made any more
            self._fault = error
            _logger.exception("the thread of the shapes ended")
            self._troubles.begin(_PART, f"{_ENDED} ({type(error).__name__}: {error})", _RESTART)

    def _shape_all(self) -> None:
        """Until the end; raises HostClosed."""
        while (work := self._work.get()) is not None:
            life, waiting = work
            if waiting is None:
                self.caller.keep(list(life.shapes))
            elif life is self._life:
                made = [self.caller(shape, waiting.window) for shape in life.shapes]
                self._found.append((life, ShapedWindow(waiting, made)))
                self._answered.set()
                self._tell()


def _nothing() -> None:
    """Nobody waits."""
