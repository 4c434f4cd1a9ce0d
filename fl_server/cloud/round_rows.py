"""The row of each round on real sites: logged, measured, and kept for ``fl-server status``."""

import json
import logging
from collections import Counter
from typing import Any

from fl_common.files.whole import write_whole
from fl_server.cloud.planning import ConfiguredRun
from fl_server.cloud.sites import SPENT
from fl_server.rounds.accounting import SpendTallyByClass
from fl_server.rounds.app import Row
from fl_server.rounds.metrics import RoundMetrics
from fl_server.rounds.report import RoundReport

_logger = logging.getLogger(__name__)


class RoundRows:
    """Makes a round's row, logs it, and keeps the newest one for ``fl-server status``."""

    def __init__(
        self, configured: ConfiguredRun, metrics: RoundMetrics, by_class: SpendTallyByClass
    ) -> None:
        self._configured, self._metrics, self._by_class = configured, metrics, by_class
        self._on_sites: Row | None = None

    def __call__(self, report: RoundReport) -> Row:
        """The row of ``report``, which is the newest round from now on."""
        self._by_class.charge(report.charged)
        promise = self._configured.plan.privacy.guarantee
        if report.evaluation:
            found = report.evaluation.measured(self._configured.plan.task)
            self._on_sites = {"round": report.round, "metrics": found}
        row: dict[str, Any] = {
            "run": self._configured.plan.run,
            "round": report.round,
            "rounds": self._configured.plan.rounds,
            "asked": report.asked,
            "updates": report.updates,
            "answered": sorted(report.answered),
            "refusals": dict(Counter(str(r.reason) for r in report.refusals)),
            "errors": [str(e)[:300] for e in report.errors],
            "cut": report.cut,
            "late": report.late,
            "busy": report.busy,
            "seconds": report.seconds,
            "bytes_up": report.bytes_up,
            "bytes_down": report.bytes_down,
            "epsilon": report.epsilon,
            "epsilon_limit": promise.epsilon_limit if promise else 0.0,
            "epsilon_per": report.epsilon_per,
            "epsilon_by_class": self._by_class.epsilon(),
            "epsilon_held_out": report.evaluation.epsilon if report.evaluation else 0.0,
            "on_sites": self._on_sites,
        }
        _logger.info(
            "run %s, round %d of %d: %d of %d sites in %.2f s, epsilon %s",
            *(row[k] for k in ("run", "round", "rounds", "updates", "asked", "seconds")),
            self._spent(report),
        )
        refusals = [f"{refusal.site}: {refusal.detail}" for refusal in report.refusals]
        for trouble in [*report.troubles(), *refusals]:
            _logger.warning("run %s, round %d: %s", row["run"], report.round, trouble)
        self._keep_spent(row["epsilon_limit"])
        write_whole(self._configured.folder / "round.json", json.dumps(row).encode())
        self._metrics.add(row)
        return row

    def _keep_spent(self, limit: float) -> None:
        """Keep what each site may have spent, for ``fl-server status``."""
        spent = {
            site: {"rounds": rounds, "epsilon": epsilon, "limit": limit}
            for site, (rounds, epsilon) in self._by_class.all.by_site().items()
        }
        write_whole(self._configured.folder / SPENT, json.dumps(spent).encode())

    def _spent(self, report: RoundReport) -> str:
        """Epsilon for the unit that the plan protects, then for the others that it reports."""
        promise = self._configured.plan.privacy.guarantee
        own = {promise.unit: report.epsilon} if promise else {}
        words = [f"{spent:.3g} for a {unit}" for unit, spent in (own | report.epsilon_per).items()]
        return ", ".join(words) or f"{report.epsilon:.3g}"
