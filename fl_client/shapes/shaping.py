"""From windows as they are cut to windows that are used, in the store's transactions.

One of two ways: they are stored as they are cut (``AsCut``), or go through the box's shape
(``Shaping``). The store has windows of each version of a shape under a cut of its own, so that they
never mix: in predictions, in training, in held-out counts.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from fl_client.sensors import Annotation
from fl_client.shapes.calling import Unfit
from fl_client.shapes.held import HeldShape, Shapes
from fl_client.shapes.thread import ShapedWindow, ShapeThread
from fl_client.store.unshaped import ShapeCounts, Unshaped
from fl_client.store.windows import WindowStore
from fl_client.windows import Window
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task

_MOST_WAITING = 2000
"""Windows that wait for a shape; beyond that readings wait, in the spool."""
_IN_A_ROW = 10
_NONE_YET = "the repository has offered no version that runs here, and windows wait for one"
_PROMOTE = "Promote one, and see what fl-client status says of components"
_DROPS = "it made nothing of the last windows, which are dropped ({}: {})"
_MEND = "Promote a version that can, or check the sensors' values"
_logger = logging.getLogger(__name__)


class WindowMaker(Protocol):
    """Makes windows that are used of those that are cut; ``windows`` stores what is predicted."""

    windows: WindowStore

    @property
    def has_room(self) -> bool:
        """Whether more may be cut."""
        ...

    def make(self, cut: Sequence[Window]) -> list[Window]:
        """Take in windows that were cut; those that are new in ``windows``."""
        ...

    def annotate(self, annotations: Sequence[Annotation]) -> Counter[str]:
        """See ``WindowStore.annotate``."""
        ...

    def withdraw(self, stream: str, name: str) -> None:
        """See ``WindowStore.withdraw``."""
        ...

    def retain(self, oldest_ns: int) -> None:
        """Drop what waits and begins before ``oldest_ns``."""
        ...

    def counts(self) -> ShapeCounts | None:
        """What became of windows at the shape; None: they go through none."""
        ...


class AsCut:
    """Stores windows as they are cut."""

    has_room = True

    def __init__(self, windows: WindowStore) -> None:
        self.windows = windows

    def make(self, cut: Sequence[Window]) -> list[Window]:
        """See ``WindowMaker``."""
        return self.windows.add(cut)

    def annotate(self, annotations: Sequence[Annotation]) -> Counter[str]:
        """See ``WindowMaker``."""
        return self.windows.annotate(annotations)

    def withdraw(self, stream: str, name: str) -> None:
        """See ``WindowMaker``."""
        self.windows.withdraw(stream, name)

    def retain(self, oldest_ns: int) -> None:
        """Nothing waits."""

    def counts(self) -> None:
        """There is no shape."""


class Line(NamedTuple):
    """A version of the shape, and the store of what it makes."""

    shape: HeldShape
    windows: WindowStore


class Shaping:
    """Lets windows wait in ``unshaped`` until ``thread`` has put them through the shapes.

    The first of ``lines`` is of the version that the model requires, whose windows are predicted.
    Another is of the version that production offers by now, for whose windows a model is trained.
    Without any, windows wait; ``windows`` is then that of windows as they are cut, and empty.
    """

    def __init__(
        self,
        name: str,
        lines: Sequence[Line],
        windows: WindowStore,
        unshaped: Unshaped,
        thread: ShapeThread,
        troubles: Troubles,
    ) -> None:
        self._part, self._lines, self._unshaped = f"shape {name}", tuple(lines), unshaped
        self.windows = lines[0].windows if lines else windows
        self._thread, self._troubles = thread, troubles
        self._told, self._in_a_row = set[str](), 0
        thread.restart([line.shape for line in lines])
        if lines:
            troubles.end(self._part)

    @property
    def has_room(self) -> bool:
        """See ``WindowMaker``."""
        return self._unshaped.waiting() < _MOST_WAITING

    def make(self, cut: Sequence[Window]) -> list[Window]:
        """See ``WindowMaker``."""
        if not self._lines:
            self._troubles.begin(self._part, _NONE_YET, _PROMOTE)
        self._unshaped.put([window for window in cut if not self._is_decided(window)])
        taken = self._thread.take()
        made = self._stored(taken) if taken else []
        self._thread.hand(self._unshaped.after)
        return made

    def annotate(self, annotations: Sequence[Annotation]) -> Counter[str]:
        """See ``WindowMaker``."""
        for line in self._lines[1:]:
            line.windows.annotate(annotations)
        return self.windows.annotate(annotations)

    def withdraw(self, stream: str, name: str) -> None:
        """See ``WindowMaker``."""
        for line in self._lines[1:]:
            line.windows.withdraw(stream, name)
        self.windows.withdraw(stream, name)

    def retain(self, oldest_ns: int) -> None:
        """See ``WindowMaker``."""
        self._unshaped.retain(oldest_ns)

    def counts(self) -> ShapeCounts:
        """See ``WindowMaker``."""
        return self._unshaped.counts()

    def _is_decided(self, window: Window) -> bool:
        """Whether it was made or dropped before: the last ones are cut again after a restart."""
        return bool(self._lines) and all(
            line.windows.has(window) or self._unshaped.is_dropped(line.windows.cut, window)
            for line in self._lines
        )

    def _stored(self, taken: Sequence[ShapedWindow]) -> list[Window]:
        """Store what was made; of the first line, those that are new."""
        new: list[Window] = []
        for place, line in enumerate(self._lines):
            made = [one.made[place] for one in taken]
            stored = line.windows.add([one for one in made if isinstance(one, Window)])
            unfit = [one.waiting.window for one in taken if isinstance(one.made[place], Unfit)]
            self._unshaped.remember(line.windows.cut, unfit)
            if place:
                line.windows.pass_by(stored)
            else:
                new = stored
        dropped = [one.made[0] for one in taken if isinstance(one.made[0], Unfit)]
        self._unshaped.done([one.waiting.number for one in taken], [one.reason for one in dropped])
        self._judge(taken)
        return new

    def _judge(self, taken: Sequence[ShapedWindow]) -> None:
        """Tell the first window that is dropped for a reason; many in a row are a trouble."""
        for one in taken:
            made = one.made[0]
            if not isinstance(made, Unfit):
                self._in_a_row = 0
                self._troubles.end(self._part)
                continue
            self._in_a_row += 1
            if made.reason not in self._told:
                self._told.add(made.reason)
                _logger.warning(
                    "%s: a window is dropped (%s): %s. Further ones are only counted, in"
                    " fl_client_shape_windows_dropped_total", self._part, made.reason, made.text
                )  # fmt: skip
            if self._in_a_row >= _IN_A_ROW:
                cause = _DROPS.format(made.reason, made.text)
                self._troubles.begin(self._part, cause, _MEND)


def lines_for(
    shapes: Shapes, serving: str | None, store: Callable[[Task], WindowStore]
) -> list[Line]:
    """The lines of a box: what the model that serves requires, and what is offered.

    ``serving`` is the digest that the model requires; None: none serves.
    """
    versions = [one for one in (shapes.of(serving), shapes.offered) if one is not None]
    chosen = {one.record.digest: one for one in versions}
    return [Line(one, store(one.task)) for one in chosen.values()]
