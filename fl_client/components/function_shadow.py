"""A candidate function beside production: it gets the same predictions, and its events are dropped.

It runs in the function host, as production's function does. Its events are compared with
production's and dropped. The counts are for the site's own operators and never leave the site: a
function remembers earlier windows, so one window can change more than one count, and no noise here
would cover that.
"""

import logging
import threading
from collections.abc import Callable
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
from fl_client.functions.host import Answer, FunctionSource
from fl_client.functions.runner import Functions
from fl_common.errors import InvalidData

_log = logging.getLogger(__name__)


class FunctionShadow:
    """A candidate beside the function ``name`` of ``functions``; ``folder`` holds the counts.

    ``read`` finds the function in a component's folder.
    """

    def __init__(
        self,
        name: str,
        functions: Functions,
        read: Callable[[Path], FunctionSource],
        folder: Path,
    ) -> None:
        self._name, self._functions, self._read = name, functions, read
        self._path = folder / COUNTS
        self._counts = read_counts(self._path)
        self._trouble: str | None = None
        self._changing = threading.Lock()
        self.candidate: Version | None = None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Call this version's function from now on (None: no function), and save the counts."""
        version, folder = candidate or (None, None)
        if version != self.candidate:
            self._begin(folder)
        with self._changing:
            self.candidate = version
            if version is not None and self._counts.candidate != version.component:
                self._counts = ShadowSummary(version.component)
            counts = self._counts
        write_counts(self._path, counts)

    def status(self) -> dict[str, Any]:
        """The counts, for the site's own operators."""
        with self._changing:
            return {**self._counts.shown(), "trouble": self._trouble}

    def close(self) -> None:
        """Save the counts."""
        write_counts(self._path, self._counts)

    def _begin(self, folder: Path | None) -> None:
        """Let the function in ``folder`` accompany production's."""
        source, trouble = None, None
        try:
            if folder is not None:
                source = self._read(folder)
                self._functions.check(source)
        except InvalidData as error:
            _log.error("the candidate of a function is not called: %s", error)
            source, trouble = None, str(error)
        self._trouble = trouble
        self._functions.accompany(self._name, source, self._compare)

    def _compare(self, production: Answer, candidate: Answer) -> None:
        """Count one window: what production's function answered, and what the candidate did."""
        found, theirs = production.events, candidate.events
        failed = theirs is None and found is not None
        agreed = theirs is not None and found is not None and list(theirs) == list(found)
        seen = LiveObservation(agreed, failed, False, candidate.seconds, production.seconds)
        with self._changing:
            if candidate.failures:
                self._trouble = candidate.failures[-1]
            self._counts = self._counts.plus(seen)
