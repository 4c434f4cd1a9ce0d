"""One federated run with canaries in one site's data, observed by the attacker.

The client is the real one (SiteApp, Participation, trainer, ledger, release), and so is the round
loop of the server: the audit tests the mechanism as it runs, with its sampling, clipping and noise,
and not a model of it.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.app import SiteApp
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation
from fl_client.training import Trainer
from fl_common.errors import RunFailed
from fl_common.privacy.accounting import epsilon_of_group
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal
from fl_common.wire import messages as wire
from fl_server.rounds.app import FederatedRun, Row
from fl_server.rounds.report import RoundReport
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.audit.attacker import Attacker
from simulate.audit.canaries import Canaries, WorldWithCanaries
from simulate.audit.guesses import GuessRule, findings
from simulate.audit.report import Audit
from simulate.engines.observed import observed_grid
from simulate.fleet import Fleet
from simulate.home import Home
from simulate.world import World

_COHORT_MIB = 64
_OWNER = "audit"

OnRound = Callable[[RoundReport], None]


@dataclass(frozen=True)
class Experiment:
    """A run of ``federation`` over ``world`` with ``canaries`` at the site at ``position``."""

    federation: Federation
    world: World
    position: int
    canaries: Canaries

    @property
    def site(self) -> str:
        """Name of the audited site."""
        return self.world.sites[self.position]

    def audit(
        self, trainer: Trainer, rule: GuessRule, delta: float, home: Home, on_round: OnRound
    ) -> Audit:
        """Run on a separate ledger in ``home``, guess by ``rule`` and compare with the ledger.

        Raises:
            RunFailed: the run failed, or the site sent no update.
            LedgerError: the ledger can't be written.
        """
        promise = self.federation.plan.privacy.guarantee
        with closing(Ledger(home.ledger, time.time, _OWNER)) as ledger:
            attacker = self._run(Participation(ledger, trainer), home.checkpoints, on_round)
            spent = ledger.histories(self.site).values()
        declared = self.federation.plan.task.windows_per_reading
        counted = promise.windows_per_reading if promise else 1
        shared = {"window": 1, "reading": max(declared, counted)}
        claimed = {
            unit: max(
                (epsilon_of_group(s, n, delta, promise.accountant) for s in spent), default=0.0
            )
            for unit, n in shared.items()
            if promise is not None
        }
        coins_M = self.canaries.included_M
        return Audit(
            plan=self.federation.plan,
            trainer=type(trainer).__name__,
            site=self.site,
            own_windows=len(self.world.windows(self.position)),
            canaries=len(coins_M),
            included=int(coins_M.sum()),
            rounds=attacker.rounds,
            claimed=claimed.get("window"),
            claimed_per_reading=claimed.get("reading"),
            delta=delta,
            rule=rule,
            findings=tuple(findings(attacker.scores_M, coins_M, rule, delta)),
        )

    def _run(self, participation: Participation, checkpoints: Path, on_round: OnRound) -> Attacker:
        """Perform the run; returns the attacker that observed it."""
        plan = self.federation.plan
        initial = parameters_of(build_net(plan.net, plan.task, plan.seed or 0))
        attacker = Attacker(plan, self.world.windows(self.position), self.canaries.windows)
        trained = self.federation.trained(initial)
        eavesdropper = _Eavesdropper(attacker, self.site, initial, trained)

        def record(report: RoundReport) -> Row:
            eavesdropper.parameters = report.parameters
            on_round(report)
            return {"round": report.round}

        world = WorldWithCanaries(self.world, self.position, self.canaries)
        app = SiteApp(Fleet(world).site_of, lambda: participation)
        grid = observed_grid(app, len(world.sites), _COHORT_MIB, eavesdropper)
        FederatedRun(self.federation, initial, checkpoints, record)(grid)
        if not attacker.rounds:
            reason = eavesdropper.reason or "It was never asked"
            raise RunFailed(f"site {self.site} sent no update: nothing to audit. {reason}")
        return attacker


@dataclass
class _Eavesdropper:
    """Passes each update of ``site`` to the attacker, with the initial parameters of its round.

    Rounds are sequential, so these are the newest known. An update has the form of ``trained``.
    """

    attacker: Attacker
    site: str
    parameters: Parameters
    trained: Parameters
    reason: str = ""

    def __call__(self, reply: Any) -> None:
        if reply.has_error():
            self.reason = str(reply.error.reason)
            return
        answer = wire.read_answer(reply.content, self.trained)
        if isinstance(answer, LocalUpdate) and answer.site == self.site:
            self.attacker.see(self.parameters, answer.delta)
        elif isinstance(answer, Refusal) and answer.site == self.site:
            self.reason = f"It refuses ({answer.reason}): {answer.detail}"
