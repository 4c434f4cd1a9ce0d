"""What was spent, by the ledger: over all runs on it, with what killed processes cost."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fl_client.ledger.totals import highest, read_totals, read_whole_sites
from fl_common.plan import RunPlan
from simulate.report.results import RoundResult


@dataclass(frozen=True)
class Spending:
    """Tells the epsilons of rounds of ``plan`` by the ledger at ``path``, which its sites share.

    Where none is charged there (the sites keep ledgers of their own), those of the server's account
    stay as they are.
    """

    path: Path
    plan: RunPlan

    def told(self, result: RoundResult) -> RoundResult:
        """``result`` with the ledger's epsilons: for trained blocks, and for held-out ones.

        Raises:
            LedgerError: the ledger can't be read.
        """
        if (promise := self.plan.privacy.guarantee) is None:
            return result
        totals = read_totals(self.path)
        released = totals.trained if promise.windows_in else totals.whole
        if released and self.plan.privacy.noise_added_by == "server":
            spend = self.plan.privacy.spend_per_round  # the ledger books all rounds at once
            so_far = replace(spend, steps=spend.steps * result.round)
            others = read_whole_sites(self.path, except_run=self.plan.run)
            released = frozenset(one.plus(so_far) for one in others)
        if released:
            epsilon, epsilon_per = highest(released, promise)
            result = replace(result, epsilon=epsilon, epsilon_per=epsilon_per)
        evaluation = self.plan.evaluation and self.plan.evaluation.charged_under(self.plan.privacy)
        if evaluation and evaluation.guarantee and result.on_sites and totals.held_out:
            figures = highest(totals.held_out, evaluation.guarantee)
            result = replace(result, on_sites=_with_spent(result.on_sites, *figures))
        return result


def _with_spent(
    on_sites: Mapping[str, Any], epsilon: float, epsilon_per: Mapping[str, float]
) -> dict[str, Any]:
    per = {f"epsilon_per_{unit}": value for unit, value in epsilon_per.items()}
    return {**on_sites, "epsilon": epsilon, **per}
