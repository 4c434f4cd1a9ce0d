"""What the server knows of privacy spent: an upper bound per site, from what it asked for.

The ledger on each site is the authority. The server counts every round in which a site was asked
and did not refuse before training; a site that did not answer counts as having spent.
"""

from collections import Counter
from collections.abc import Iterable

from fl_common.plan import Privacy
from fl_common.privacy import NoPrivacy, Spend, epsilon_of
from fl_common.site_privacy import SitePrivacyPlan
from fl_common.vocabulary import RefusalReason

SPENDS_NOTHING = frozenset(
    {RefusalReason.BUDGET, RefusalReason.DATA, RefusalReason.PLAN, RefusalReason.LEDGER}
)
"""Reasons that a site gives before its ledger is debited."""


class Tally:
    """Rounds charged per site (by node), and the highest epsilon among them.

    Under a site-level plan with the server's noise every round counts for every site, drawn or not:
    amplification by sampling holds for one who does not know which sites were drawn.
    """

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._rounds_of: Counter[int] = Counter()
        self._rounds = 0

    def charge(self, nodes: Iterable[int]) -> None:
        """One more round, in which ``nodes`` may have spent."""
        self._rounds_of.update(nodes)
        self._rounds += 1

    def epsilon(self) -> float:
        """Highest epsilon over sites at the plan's delta, composed over rounds; 0.0 without DP."""
        if isinstance(self._privacy, NoPrivacy):
            return 0.0
        rounds = max(self._rounds_of.values(), default=0)
        if isinstance(self._privacy, SitePrivacyPlan) and self._privacy.noise == "server":
            rounds = self._rounds
        event = self._privacy.spend_per_round
        spent = Spend(event.noise_multiplier, event.sampling_rate, event.steps * rounds)
        return epsilon_of([spent] if rounds else [], self._privacy.delta, self._privacy.accountant)
