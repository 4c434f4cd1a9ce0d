"""A box's functions, fed from a store, without the rest of a node."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fl_client.functions.feed import FunctionFeed
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Failed
from fl_client.functions.thread import FunctionThread
from fl_client.store.database import open_store
from fl_client.store.function_inbox import FunctionInbox
from fl_client.store.function_memory import FunctionMemory
from fl_common.functions.events import Event, FunctionEvent, Predicted
from fl_common.programs.troubles import Troubles

Told = tuple[Event, str, FunctionEvent]
"""The event that a function was shown, its name, and what it told."""


class FedFunctions:
    """``functions`` with the store in ``path``; ``noted`` is called after some have answered."""

    def __init__(
        self, path: Path, functions: Functions, noted: Callable[[], None] = lambda: None
    ) -> None:
        self._store = open_store(path)
        self._thread = FunctionThread(functions, Troubles())
        inbox, memory = FunctionInbox(self._store, 10_000), FunctionMemory(self._store)
        self.feed = FunctionFeed(self._thread, inbox, memory, noted, lambda _: True)
        self.failed: list[tuple[Event, Failed]] = []

    def show(self, predictions: Sequence[Predicted] = ()) -> list[Told]:
        """What functions tell of these, and of what waits, until nothing does."""
        told: list[Told] = []
        self.feed.put(predictions)
        while self.feed.counts().waiting:
            self._thread.wait(1.0)
            for shown in self.feed.take():
                self.failed += [(shown.event, failed) for failed in shown.failed]
                told += [(shown.event, name, event) for name, event in shown.found]
            self.feed.put(())
        return told

    def close(self) -> None:
        """End the thread; what waits stays in the store."""
        self._thread.close()
        self._store.close()
