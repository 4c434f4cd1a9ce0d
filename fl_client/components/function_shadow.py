"""A candidate function beside production: it gets the same predictions, and its events are dropped.

It runs in the same thread as production's function, and like it must not block. Its events are
compared with production's and dropped. The counts are for the site's own operators and never leave
the site: a function remembers earlier windows, so one window can change more than one count, and
no noise here would cover that.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fl_client.components.counts import (
    COUNTS,
    LiveObservation,
    ShadowSummary,
    read_counts,
    write_counts,
)
from fl_client.components.record import Version
from fl_client.functions.runner import Make
from fl_client.windows import MOST_STREAMS
from fl_common.errors import InvalidData
from fl_common.functions import Function, FunctionEvent, Predicted

_log = logging.getLogger(__name__)


class FunctionShadow:
    """``make`` reads the function in a component's folder; ``folder`` holds the counts.

    Each stream has a function of its own, as production's.
    """

    def __init__(self, make: Callable[[Path], Make], folder: Path) -> None:
        self._make, self._path = make, folder / COUNTS
        self._counts = read_counts(self._path)
        self._of: Callable[[str], Function] | None = None
        self._trouble: str | None = None
        self._changing = threading.Lock()
        self.candidate: Version | None = None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Call this version's function from now on (None: no function), and save the counts."""
        with self._changing:
            version, folder = candidate or (None, None)
            if version != self.candidate:
                self.candidate = version
                self._of, self._trouble = self._made(folder)
            if version is not None and self._counts.candidate != version.component:
                self._counts = ShadowSummary(version.component)
            counts = self._counts
        write_counts(self._path, counts)

    def see(
        self, predicted: Predicted, found: Sequence[FunctionEvent] | None, seconds: float
    ) -> None:
        """Give the candidate a prediction; ``found`` are production's events, None if it raised."""
        with self._changing:
            if self.candidate is None:
                return
            began = time.perf_counter()
            theirs = self._called(predicted)
            took = time.perf_counter() - began
            failed = theirs is None and found is not None
            agreed = theirs is not None and theirs == (None if found is None else list(found))
            seen = LiveObservation(agreed, failed, False, took, seconds)
            self._counts = self._counts.plus(seen)

    def status(self) -> dict[str, Any]:
        """The counts, for the site's own operators."""
        with self._changing:
            return {**self._counts.shown(), "trouble": self._trouble}

    def close(self) -> None:
        """Save the counts."""
        write_counts(self._path, self._counts)

    def _made(self, folder: Path | None) -> tuple[Callable[[str], Function] | None, str | None]:
        if folder is None:
            return None, None
        try:
            make = self._make(folder)
            return lru_cache(MOST_STREAMS)(lambda stream: make()), None
        except InvalidData as error:
            _log.error("the candidate of a function is not called: %s", error)
            return None, str(error)

    def _called(self, predicted: Predicted) -> list[FunctionEvent] | None:
        if self._of is None:
            return None
        try:
            return list(self._of(predicted.stream)(predicted))
        except Exception as error:  # a candidate may do anything, and must stop nothing
            self._trouble = f"{type(error).__name__}: {error}"
            return None
