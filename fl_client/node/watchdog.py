"""Watches a node from a thread of its own, and tells systemd.

Neither a stuck worker nor a stuck loop stops it. Both are troubles; systemd, where it watches the
service (``WatchdogSec``), is told no more that it is alive, and starts it again.
"""

import threading

from fl_client.node.pulse import Pulse
from fl_client.node.watch import Watch
from fl_common.configuration.rules import above, require
from fl_common.programs.service_manager import ServiceManager
from fl_common.programs.troubles import Troubles

_EVERY_S = 1.0
_REMEDY = (
    "Restart the box, and mend or take out what it names; systemd restarts it by itself with"
    " WatchdogSec"
)


class Watchdog:
    """A look each second, from ``start`` to ``close``; ``stuck_s`` is the longest step."""

    def __init__(
        self,
        watch: Watch,
        pulse: Pulse,
        troubles: Troubles,
        stuck_s: float,
        manager: ServiceManager,
    ) -> None:
        require("stuck_s", stuck_s, above(0))
        self._watch, self._pulse, self._troubles = watch, pulse, troubles
        self._stuck_s, self._manager = stuck_s, manager
        self._found: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Say that the service is ready, and begin to watch."""
        self._manager.ready()
        self._thread.start()

    def close(self) -> None:
        """Say that the service ends, and watch no more."""
        self._manager.stopping()
        self._ending.set()

    def look(self) -> None:
        """Look once."""
        stuck = dict(self._pulse.stuck(self._stuck_s))
        for part in self._found - stuck.keys():
            self._troubles.end(part)
        for part in stuck.keys() - self._found:
            cause = f"has not finished a step for {self._stuck_s:g} s, at {stuck[part]}"
            self._troubles.begin(part, cause, _REMEDY)
        self._found = set(stuck)
        if not stuck:
            self._watch.look()
            self._manager.alive()
        found = self._troubles.current()
        parts = ", ".join(trouble.part for trouble in found)
        self._manager.status(f"wrong: {parts}" if found else "ok")

    def _run(self) -> None:
        while not self._ending.wait(_EVERY_S):
            self.look()
