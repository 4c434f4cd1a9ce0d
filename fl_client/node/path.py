"""The stages that a message passes on its way to a prediction, as the pipeline has them."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_client.inference.engine import Engine
from fl_client.inference.prediction import Prediction
from fl_client.store.outbox import StoredEvents
from fl_client.store.spool import Spool
from fl_client.store.windows import WindowStore
from fl_client.windows.streams import Streams
from fl_common.functions import FunctionEvent, Predicted
from fl_common.vocabulary import Floats

Look = Callable[[Floats, Prediction], None]
"""Observes the engine's predictions for windows, given by their values."""

FoundEvents = Sequence[tuple[str, FunctionEvent]]
"""What functions found in one window, each with its function's name."""

Follow = Callable[[Sequence["PredictedWindow"], int], Sequence[FoundEvents]]
"""Does what follows from predictions, given when the last message came; the events of each."""


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
    follow: Follow


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
        return self.prediction.counted_as or self.predicted.label
