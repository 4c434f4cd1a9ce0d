"""The stages that a message passes on its way to a prediction, as the pipeline has them."""

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_client.functions.feed import FunctionFeed
from fl_client.functions.shown import Shown
from fl_client.inference.engine import Engine
from fl_client.inference.prediction import Prediction
from fl_client.node.counts import Counts
from fl_client.shapes.shaping import WindowMaker
from fl_client.store.outbox import StoredEvents
from fl_client.store.spool import Spool
from fl_client.store.windows import WindowStore
from fl_client.windows.streams import Streams
from fl_common.functions import Predicted
from fl_common.vocabulary import Floats, Task

Look = Callable[[Floats, Prediction], None]
"""Observes the engine's predictions for windows, given by their values."""

Follow = Callable[[Sequence["PredictedWindow"], int], Sequence[Shown]]
"""Does what follows from predictions, given when the last message came; what functions found."""


_AT_ONCE = 64 << 20
"""Bytes of windows that are predicted at a time."""
PathCounts = Counts
"""What a path counts."""


@dataclass(frozen=True)
class Path:
    """The stages that a message passes, on one connection.

    ``task`` is that of the windows that are predicted; ``is_outdated`` says, given the shape that
    the model requires, whether windows must go through another one than when it was opened.
    ``take_labels`` carries out what the command line asks of labels; those that tell nothing, by
    reason.
    """

    connection: sqlite3.Connection
    spool: Spool
    streams: Streams
    maker: WindowMaker
    engine: Engine
    see: Look
    outbox: StoredEvents
    functions: FunctionFeed
    follow: Follow
    task: Task
    is_outdated: Callable[[str | None], bool]
    take_labels: Callable[[], Counter[str]]

    @property
    def windows(self) -> WindowStore:
        """The store of the windows that are predicted."""
        return self.maker.windows

    @property
    def shape(self) -> str | None:
        """The digest of the shape that has made them."""
        return self.task.shape.digest if self.task.shape else None

    @property
    def about_windows(self) -> tuple[tuple[str, ...], int]:
        """The channels of those windows, and the time that each stands for."""
        return self.task.channels, self.windows.length_ns

    def most_at_once(self, most: int) -> int:
        """How many windows may be in memory at a time, up to ``most``: a picture is a large one."""
        return max(1, min(most, _AT_ONCE // (4 * math.prod(self.task.window_shape))))

    def counts(self) -> Counts:
        """The store's counts."""
        spool, windows = self.spool.counts(), self.windows.counts()
        events, functions = self.outbox.counts(), self.functions.counts()
        return Counts(spool, windows, events, functions, self.maker.counts())


@dataclass(frozen=True, slots=True)
class PredictedWindow:
    """The window that starts at ``start_ns``, and its ``row`` in ``prediction``."""

    start_ns: int
    prediction: Prediction
    row: int
    predicted: Predicted

    @property
    def counted_as(self) -> str:
        """Its label, or the word for answers that are none."""
        words = self.prediction.counted_as
        return words[self.row] if words else self.predicted.label
