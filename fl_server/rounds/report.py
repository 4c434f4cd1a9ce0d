"""One round as the server saw it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fl_common.vocabulary import Parameters, Refusal
from fl_server.optimisers import State
from fl_server.rounds.comparison import Comparison
from fl_server.rounds.evaluation import SiteMetrics
from fl_server.rounds.roster import Member


@dataclass
class RoundReport:
    """One round as seen by the server: of ``members``, the sites ``charged`` may have spent.

    ``answered`` are the sites whose update was counted. ``errors`` says which answers do not count,
    and why; ``cut`` which ones were reduced before they were counted. ``late`` are the sites that
    the round went on without, and ``busy`` those that it did not ask, as they were still at work on
    an earlier one. Under a site-level plan ``clip_norm`` is the round's, and ``next_clip_norm``
    that of the next.
    """

    round: int
    parameters: Parameters
    optimiser_state: State
    members: Sequence[Member] = ()
    clip_norm: float | None = None
    next_clip_norm: float | None = None
    updates: int = 0
    answered: set[str] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    seconds: float = 0.0
    epsilon: float = 0.0
    epsilon_per: dict[str, float] = field(default_factory=dict)
    """Epsilon per window and per reading, if the plan protects one of them."""
    evaluation: SiteMetrics | None = None
    """The sites' evaluation of the new parameters, in a round that has one."""
    comparison: Comparison | None = None
    """That evaluation and the incumbent's, in the last round, if there is an incumbent."""

    @property
    def asked(self) -> int:
        """Number of sites that were asked for an update."""
        return len(self.members)

    def troubles(self) -> Iterable[str]:
        """A line for all that went wrong, was cut, or was left out, but for refusals to train."""
        yield from self.errors
        if self.busy:
            yield f"not asked, as an earlier answer is still to come: site {', '.join(self.busy)}"
        yield from self.cut
        yield from self._evaluation_troubles()

    def _evaluation_troubles(self) -> Iterable[str]:
        """What went wrong in an evaluation on the sites, and what was cut of it."""
        for trouble in self.comparison.troubles() if self.comparison else ():
            yield f"evaluation of production: {trouble}"
        if (metrics := self.evaluation) is None:
            return
        for refusal in metrics.refusals:
            yield f"site {refusal.site} refuses to evaluate ({refusal.reason}): {refusal.detail}"
        yield from (f"evaluation: {trouble}" for trouble in [*metrics.errors, *metrics.cut])

    def too_few(self, minimum: int) -> str:
        """Why the round can't count: fewer updates than ``minimum``."""
        reasons = [f"{refusal.site}: {refusal.detail}" for refusal in self.refusals] + self.errors
        first = reasons[0] if reasons else "no site answered"
        return (
            f"round {self.round}: {self.updates} of {self.asked} sites sent an update, and the"
            f" minimum is {minimum}. First reason: {first}"
        )
