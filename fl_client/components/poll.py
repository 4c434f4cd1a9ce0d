"""Polls in a thread of its own, so that a slow network does not delay sensing."""

import logging
import random
import threading
from collections.abc import Callable

from fl_common.configuration.rules import above, inside, require

_log = logging.getLogger(__name__)


class Poller:
    """Calls ``poll`` at once and then every ``every_s`` seconds, until ``close``.

    Each wait is drawn between (1 - ``jitter``) and (1 + ``jitter``) times that, so that the sites
    of a fleet don't poll at the same instant. ``wait`` sleeps for the given seconds, or until the
    event is set.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    def __init__(
        self,
        poll: Callable[[], object],
        every_s: float,
        jitter: float,
        generator: random.Random,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        require("poll.every_s", every_s, above(0))
        require("poll.jitter", jitter, inside("[0, 1)"))
        self._poll, self._every_s, self._jitter = poll, every_s, jitter
        self._generator, self._wait = generator, wait
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="components", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Stop, and wait up to ``timeout_s`` for a running poll, which may be left unfinished."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._poll()
            except Exception:
                _log.exception("a poll of the component repository failed and will be repeated")
            share = self._generator.uniform(-self._jitter, self._jitter)
            self._wait(self._ending, self._every_s * (1 + share))
