"""The stages that a message passes on its way to a prediction, as the pipeline has them."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fl_client.functions.feed import FunctionFeed
from fl_client.functions.shown import Shown
from fl_client.inference.engine import Engine
from fl_client.inference.prediction import Prediction
from fl_client.store.function_inbox import InboxCounts
from fl_client.store.outbox import EventCounts, StoredEvents
from fl_client.store.spool import Spool
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.windows import WindowCounts, WindowStore
from fl_client.windows.streams import Streams
from fl_common.functions import Predicted
from fl_common.vocabulary import Floats, Task

Look = Callable[[Floats, Prediction], None]
"""Observes the engine's predictions for windows, given by their values."""

Follow = Callable[[Sequence["PredictedWindow"], int], Sequence[Shown]]
"""Does what follows from predictions, given when the last message came; what functions found."""


class Counts(NamedTuple):
    """What a site's store counts: messages, windows, events, and windows at the functions."""

    spool: SpoolCounts = SpoolCounts(0, 0, 0, 0, 0, {})
    windows: WindowCounts = WindowCounts(0, 0, 0)
    events: EventCounts = EventCounts(0, 0, 0, {})
    functions: InboxCounts = InboxCounts(0, 0, 0, {}, {})


@dataclass(frozen=True)
class Path:
    """The stages that a message passes, on one connection."""

    connection: sqlite3.Connection
    spool: Spool
    streams: Streams
    windows: WindowStore
    engine: Engine
    see: Look
    outbox: StoredEvents
    functions: FunctionFeed
    follow: Follow
    task: Task

    def counts(self) -> Counts:
        """The store's counts."""
        spool, windows = self.spool.counts(), self.windows.counts()
        return Counts(spool, windows, self.outbox.counts(), self.functions.counts())


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
