"""Every request that a site can get, in turn.

Its name, rounds, an evaluation, a candidate's counts, its components, and a run beyond its budget.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fl_client.app import SiteApp
from fl_common.errors import RunFailed
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import Parameters
from fl_common.wire import messages as wire
from fl_server.rounds.app import FederatedRun, Row
from fl_server.rounds.report import RoundReport
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.egress.capture import Capture
from simulate.egress.sentinel_world import CANDIDATE
from simulate.engines.loopback import LoopbackGrid
from simulate.engines.observed import observed_grid

_COHORT_MIB = 0
"""A device is a cohort of one: a site's failure never affects another's reply."""


@dataclass(frozen=True)
class Rehearsal:
    """Sends requests to the ``sites`` sites of ``app`` as the server of ``federation`` would."""

    federation: Federation
    app: SiteApp
    sites: int

    @property
    def plan(self) -> RunPlan:
        """The run's plan."""
        return self.federation.plan

    def run(self, folder: Path, on_step: Callable[[str], None]) -> Capture:
        """Send every request; returns all that left.

        The server's states go to ``folder``.
        """
        capture = Capture(self.plan)
        grid = observed_grid(self.app, self.sites, _COHORT_MIB, capture)
        on_step("names")
        self._query(grid, "query")
        on_step(f"{self.plan.rounds} rounds")
        try:
            self._rounds(grid, self.federation, folder / "first")
        except RunFailed as error:  # what has left so far is shown anyway
            capture.failure = str(error)
        on_step("evaluation")
        self._ask(grid, "evaluate", self._initial())
        on_step("a candidate and what runs")
        self._ask(grid, "query.shadow", {})
        self._query(grid, "query.running")
        on_step("a run beyond the budget")
        plan = replace(self.plan, run=f"{self.plan.run}-again")
        with contextlib.suppress(RunFailed):  # all of them refuse once the budget is spent
            self._rounds(grid, replace(self.federation, plan=plan), folder / "again")
        return capture

    def _rounds(self, grid: LoopbackGrid, federation: Federation, folder: Path) -> None:
        FederatedRun(federation, self._initial(), folder, _row)(grid)

    def _initial(self) -> Parameters:
        return parameters_of(build_net(self.plan.net, self.plan.task, self.plan.seed or 0))

    def _query(self, grid: LoopbackGrid, kind: str) -> None:
        """Send every site a query without content."""
        messages: list[Any] = [
            grid.create_message(wire.empty(), kind, node, kind) for node in grid.get_node_ids()
        ]
        grid.send_and_receive(messages)

    def _ask(self, grid: LoopbackGrid, kind: str, parameters: Parameters) -> None:
        """Send every site one request under the run's plan."""
        mechanism = self.plan.privacy.update_mechanism
        clip_norm = mechanism.clip_norm if mechanism else None
        about = (self.plan, self.plan.rounds, parameters, clip_norm, CANDIDATE)
        writer = wire.InstructionWriter(Instruction(*about))
        messages: list[Any] = [
            grid.create_message(writer.content(), kind, node, kind) for node in grid.get_node_ids()
        ]
        grid.send_and_receive(messages)


def _row(report: RoundReport) -> Row:
    return {"round": report.round}
