"""The server's account of privacy spent: an upper bound per site, from what it requested.

The ledger on each site is the authority. The server counts every round in which it instructed a
site that did not refuse before training; a site that did not reply counts as having spent.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from fl_common.privacy.accounting import Spend
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import RefusalReason

_UNKNOWN = "unknown"
SPENDS_NOTHING = frozenset(
    {RefusalReason.BUDGET, RefusalReason.DATA, RefusalReason.PLAN, RefusalReason.LEDGER}
)
"""Refusals that a site sends before its first gradient: nothing has been released, even if its
ledger was debited in vain."""


class SpendTally:
    """Rounds charged per site (by name), and the highest epsilon among them.

    A site keeps its name when it gets another key, and with it another node.

    Under a site-level plan with the server's noise every round counts for every site, sampled or
    not: amplification by sampling holds against anyone who does not know which sites were sampled.
    ``beside`` is what every site has spent before the first round.
    """

    def __init__(self, privacy: PrivacyPlan, beside: Sequence[Spend] = ()) -> None:
        self._privacy = privacy
        self._beside = beside
        self._rounds_of: Counter[str] = Counter()
        self._rounds = 0

    def charge(self, sites: Iterable[str]) -> None:
        """One more round, in which ``sites`` may have spent."""
        self._rounds_of.update(sites)
        self._rounds += 1

    def epsilon(self) -> float:
        """Highest epsilon over sites for the plan's unit, composed over rounds; 0.0 without DP."""
        promise = self._privacy.guarantee
        return 0.0 if promise is None else promise.epsilon(self._spends())

    def epsilon_per(self) -> dict[str, float]:
        """The same for each unit that the plan reports: a window and a reading, or none."""
        promise = self._privacy.guarantee
        return {} if promise is None else promise.epsilon_per(self._spends())

    def by_site(self) -> dict[str, tuple[int, float]]:
        """The rounds, and the epsilon for the plan's unit, of each site; empty without DP."""
        if (promise := self._privacy.guarantee) is None:
            return {}
        rounds_of = {site: self._rounds_for(rounds) for site, rounds in self._rounds_of.items()}
        epsilon_of = {r: promise.epsilon(self._event(r)) for r in set(rounds_of.values())}
        return {site: (rounds, epsilon_of[rounds]) for site, rounds in sorted(rounds_of.items())}

    def _spends(self) -> list[Spend]:
        return self._event(self._rounds_for(max(self._rounds_of.values(), default=0)))

    def _rounds_for(self, rounds: int) -> int:
        return self._rounds if self._privacy.noise_added_by == "server" else rounds

    def _event(self, rounds: int) -> list[Spend]:
        event = self._privacy.spend_per_round
        own = [replace(event, steps=event.steps * rounds)] if rounds else []
        return [*self._beside, *own]


class SpendTallyByClass:
    """The same for each class of sites; ``classes`` gives the current class of each site."""

    def __init__(
        self,
        privacy: PrivacyPlan,
        classes: Callable[[], Mapping[str, str]],
        beside: Sequence[Spend] = (),
    ) -> None:
        self.all = SpendTally(privacy, beside)
        self._classes, self._class_of = classes, dict[str, str]()
        self._tally_of: dict[str, SpendTally] = defaultdict(lambda: SpendTally(privacy, beside))

    def charge(self, sites: Iterable[str]) -> None:
        """One more round, in which ``sites`` may have spent."""
        sites = set(sites)
        self.all.charge(sites)
        if not sites <= set(self._class_of):
            self._class_of = {**dict.fromkeys(sites, _UNKNOWN), **self._classes()}
        for name in {*self._class_of.values()}:
            self._tally_of[name].charge(one for one in sites if self._class_of[one] == name)

    def epsilon(self) -> dict[str, float]:
        """Highest epsilon over the sites of each class, for the plan's unit."""
        return {name: tally.epsilon() for name, tally in sorted(self._tally_of.items())}
