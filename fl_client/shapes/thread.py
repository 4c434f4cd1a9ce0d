"""The thread that lets the shapes work on waiting windows, beside the sensing thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_client.functions.worker import Worker
from fl_client.shapes.calling import Caller, Shaped
from fl_client.shapes.held import HeldShape
from fl_client.store.unshaped import WaitingWindow
from fl_common.programs.troubles import Troubles

_HELD = 64
"""Windows that may be under way, all of which a failed commit makes anew."""


@dataclass(frozen=True)
class ShapedWindow:
    """A window of the store, and what each of the shapes made of it, in their order."""

    waiting: WaitingWindow
    made: Sequence[Shaped]


class ShapeThread(Worker[Sequence[HeldShape], WaitingWindow, ShapedWindow]):
    """Calls shapes by ``caller`` for the windows that are handed over; each begin is with some."""

    def __init__(self, caller: Caller, troubles: Troubles) -> None:
        super().__init__("shape", _HELD, troubles)
        self.caller = caller
        self._has_shapes = False
        self._shapes: Sequence[HeldShape] = ()

    def restart(self, start: Sequence[HeldShape]) -> None:
        """See ``Worker``: windows go through these shapes from now on, and wait without any."""
        self._has_shapes = bool(start)
        super().restart(start)

    def hand(self, after: Callable[[int, int], Sequence[WaitingWindow]]) -> None:
        """See ``Worker``."""
        if self._has_shapes:
            super().hand(after)

    def _begin(self, start: Sequence[HeldShape]) -> None:
        self._shapes = tuple(start)
        self.caller.keep(list(start))

    def _do(self, item: WaitingWindow) -> ShapedWindow:
        return ShapedWindow(item, [self.caller(shape, item.window) for shape in self._shapes])
