"""What the server knows of privacy spent: an upper bound per site, from what it asked for.

The ledger on each site is the authority. The server counts every round in which a site was asked
and did not refuse before training; a site that did not answer counts as having spent.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from fl_common.plan import Privacy
from fl_common.privacy.accounting import Spend, epsilon_of_group
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.window_level import PrivacyPlan
from fl_common.vocabulary import RefusalReason

_UNKNOWN = "unknown"
SPENDS_NOTHING = frozenset(
    {RefusalReason.BUDGET, RefusalReason.DATA, RefusalReason.PLAN, RefusalReason.LEDGER}
)
"""Reasons that a site gives before its first gradient: nothing noised has left, even where its
ledger was debited in vain."""


class SpendTally:
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
        """Highest epsilon over sites for the plan's unit, composed over rounds; 0.0 without DP."""
        if isinstance(self._privacy, NoPrivacy):
            return 0.0
        return self._epsilon(self._privacy, self._privacy.windows_per_unit)

    def epsilon_per(self) -> dict[str, float]:
        """The same for a window and for a reading, where the plan protects one of them."""
        if not isinstance(self._privacy, PrivacyPlan):
            return {}
        return {
            "window": self._epsilon(self._privacy, 1),
            "reading": self._epsilon(self._privacy, self._privacy.windows_per_reading),
        }

    def _epsilon(self, privacy: PrivacyPlan | SitePrivacyPlan, windows: int) -> float:
        rounds = max(self._rounds_of.values(), default=0)
        if isinstance(privacy, SitePrivacyPlan) and privacy.noise == "server":
            rounds = self._rounds
        event = privacy.spend_per_round
        spent = Spend(event.noise_multiplier, event.sampling_rate, event.steps * rounds)
        spends = [spent] if rounds else []
        return epsilon_of_group(spends, windows, privacy.delta, privacy.accountant)


class SpendTallyByClass:
    """The same for each class of sites; ``classes`` gives that of each node, as of now."""

    def __init__(self, privacy: Privacy, classes: Callable[[], Mapping[int, str]]) -> None:
        self._classes, self._class_of = classes, dict[int, str]()
        self._tally_of: dict[str, SpendTally] = defaultdict(lambda: SpendTally(privacy))

    def charge(self, nodes: Iterable[int]) -> None:
        """One more round, in which ``nodes`` may have spent."""
        nodes = set(nodes)
        if not nodes <= set(self._class_of):
            self._class_of = {**dict.fromkeys(nodes, _UNKNOWN), **self._classes()}
        for name in {*self._class_of.values()}:
            self._tally_of[name].charge(n for n in nodes if self._class_of[n] == name)

    def epsilon(self) -> dict[str, float]:
        """Highest epsilon over the sites of each class, for the plan's unit."""
        return {name: tally.epsilon() for name, tally in sorted(self._tally_of.items())}
