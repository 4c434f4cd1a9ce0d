"""Carries out the runs of the queue, one after another, each by a process of its own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from fl_common.configuration.overrides import quoted
from fl_common.errors import InvalidConfiguration
from fl_common.programs.own import own_program
from fl_common.programs.troubles import Troubles
from fl_server.cloud.children import Child, StartRefused
from fl_server.cloud.endpoint import PublicEndpoint
from fl_server.cloud.runs.queue import RunQueue, RunRequest, Wish

_logger = logging.getLogger(__name__)
RUNNER = "runner"
_PART = "queue"


@dataclass
class RunKeeper:
    """Keeps the process of the first run in ``queue`` running, until it is done or stopped.

    ``arguments`` are those that the server was started with; ``own`` is the run that they name.
    """

    queue: RunQueue
    endpoint: PublicEndpoint
    arguments: Sequence[str]
    own: str | None
    troubles: Troubles
    current: str | None = field(init=False)
    """The run that is carried out, or was last."""
    _child: Child | None = None

    def __post_init__(self) -> None:
        self.current = self.own
        if self.own is not None and self.queue.adopt(self.own).wish is Wish.STOP:
            _logger.info("run %s was stopped. Go on with it: fl-server runs start", self.own)

    def tick(self) -> None:
        """End what is over, and start what is next.

        Raises:
            StartRefused: the run of the server's own configuration has a value that breaks a rule.
        """
        try:
            if self._child is not None and self._is_over(self._child, str(self.current)):
                self._child = None
            if self._child is None and (row := self.queue.next()) is not None:
                self._start(row)
            self.troubles.end(_PART)
        except InvalidConfiguration as error:
            self.troubles.begin(_PART, str(error), "No other run is begun until then")

    def _is_over(self, child: Child, name: str) -> bool:
        if child.done:
            return True
        if child.refused:
            self._refuse(child, name)
            return True
        row = self.queue.get(name)
        if row is None or row.wish is Wish.STOP:
            child.stop()
            _logger.info("run %s is stopped; what it has done is kept", name)
            return True
        return False

    def _refuse(self, child: Child, name: str) -> None:
        why = child.last_line().removeprefix("error: ")
        self.queue.refuse(name, why)
        if name == self.own:
            raise StartRefused(why)
        _logger.error("run %s is refused: %s", name, why)

    def _start(self, row: RunRequest) -> None:
        self.current = row.name
        of_run = [] if row.name == self.own else [*row.overrides, f"run={quoted(row.name)}"]
        command = own_program("fl_server", "carry-out", *self.arguments, *of_run)
        self.endpoint.drop(RUNNER)
        self._child = self.endpoint.keep(RUNNER, command, once=True)
