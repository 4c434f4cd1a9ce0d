"""The Flower ServerApp of a federated run, from the start or a checkpoint to the end."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters
from fl_server.rounds.checkpoint import Checkpoint, check_plan, load_latest, save
from fl_server.rounds.comparison import counts_alone
from fl_server.rounds.report import RoundReport
from fl_server.rounds.strategy import Federation, Progress

Row = dict[str, Any]
"""One round for the records: JSON values only."""


@dataclass
class FederatedRun:
    """A federation's rounds; after each, ``record`` makes its row and a checkpoint is saved.

    Then the round can't be repeated any more, and ``announce`` may tell of it. ``parameters`` and
    ``history`` hold the global parameters and the rows so far.
    """

    federation: Federation
    initial: Parameters
    checkpoints: Path
    record: Callable[[RoundReport], Row]
    announce: Callable[[RoundReport], object] = lambda report: None
    parameters: Parameters = field(init=False)
    history: list[Row] = field(init=False, default_factory=list)
    _progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = self.initial
        trained = self.federation.trained(self.initial)
        state = self.federation.optimiser.initial(trained)
        self._progress = Progress(0, self.initial, state)

    @property
    def is_done(self) -> bool:
        """Whether no round remains of a run that was resumed."""
        return self._progress.round >= self.federation.plan.rounds

    def resume(self, earlier: Collection[RunPlan] = ()) -> int:
        """Load the latest checkpoint, if any, and return its round (else 0).

        It may be of an ``earlier`` plan, which the run's own goes on from.

        Raises:
            InvalidConfiguration: the checkpoint is of another plan.
        """
        kept = load_latest(self.checkpoints)
        if kept is None:
            return 0
        if kept.plan_digest not in {plan.digest() for plan in earlier}:
            check_plan(kept, self.federation.plan.digest())
        self.parameters, self.history = kept.parameters, list(kept.history)
        charged = [row["charged"] for row in self.history]
        clip_norm = self.history[-1].get("next_clip_norm") if self.history else None
        evaluated = [row.get("evaluated", []) for row in self.history]
        self._progress = Progress(
            kept.round, kept.parameters, kept.optimiser_state, charged, clip_norm, evaluated
        )
        return kept.round

    def __call__(self, grid: Grid) -> None:
        """Run all remaining rounds."""
        for report in self.federation.rounds(grid, self._progress):
            self.parameters = report.parameters
            kept = {
                "charged": report.charged,
                "evaluated": report.evaluation.charged if report.evaluation else [],
                "next_clip_norm": report.next_clip_norm,
                "compared": self._counted(report),
            }
            self.history.append({**self.record(report), **kept})
            save(self.checkpoints, self._checkpoint(report))
            self.announce(report)

    def _counted(self, report: RoundReport) -> Row | None:
        """What the sites counted of the run's model, and of the incumbent if there is one."""
        if report.comparison:
            return report.comparison.counts()
        is_last = report.round == self.federation.plan.rounds
        return counts_alone(report.evaluation) if is_last and report.evaluation else None

    def _checkpoint(self, report: RoundReport) -> Checkpoint:
        plan = self.federation.plan
        return Checkpoint(
            run=plan.run,
            plan_digest=plan.digest(),
            round=report.round,
            parameters=report.parameters,
            optimiser_state=report.optimiser_state,
            history=self.history,
        )


def build_server_app(run: FederatedRun) -> ServerApp:
    """A ServerApp that performs ``run``."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        del context  # the run is configured before it starts
        run(grid)

    return app
