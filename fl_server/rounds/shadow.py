"""Queries to sites: counts of a candidate in the shadow of production, and what they run.

Counts are exact under a public plan; otherwise each site has added the evaluation plan's noise, and
has charged its ledger for it, once per request.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import Refusal, RunningComponents, ShadowCounts
from fl_common.wire import inventory as wire_running
from fl_common.wire import messages as wire
from fl_server.rounds.bounded_counts import Counts, Part, bounded, cuts
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.roster import Member

_NAMES = tuple(field.name for field in fields(ShadowCounts))
_LEAST_ERRORS = 2.0
"""With a noised number of windows below this many standard errors, no share of it is reported."""


@dataclass
class ShadowMetrics:
    """The sites' counts of one candidate: ``given`` has each node's counts.

    They are as received, but for those in ``cut`` (``bounded_counts``).

    ``noise`` is the standard deviation of each of a site's counts, 0.0 where they are public.
    """

    asked: int
    noise: float
    given: dict[int, ShadowCounts] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    @property
    def total(self) -> ShadowCounts:
        """The sums over sites."""
        given = [asdict(one) for one in self.given.values()]
        return ShadowCounts(**{name: sum(one[name] for one in given) for name in _NAMES})

    @property
    def error(self) -> float:
        """Standard error of each sum due to the noise alone."""
        return self.noise * math.sqrt(len(self.given))

    def share(self, name: str) -> float | None:
        """Share of the windows that ``agreed`` or ``failed``; None if the noise hides it."""
        total: dict[str, float] = asdict(self.total)
        if total["windows"] <= max(_LEAST_ERRORS * self.error, 0.0):
            return None
        return min(max(total[name] / total["windows"], 0.0), 1.0)

    def figures(self) -> dict[str, Any]:
        """The figures for records, as JSON values: no names of sites, no exact counts under DP."""
        return {
            "sites": len(self.given),
            "refused": len(self.refusals),
            "errors": len(self.errors),
            "cut": len(self.cut),
            **asdict(self.total),
            "noise": self.error,
            **{f"{name}_share": self.share(name) for name in ("agreed", "failed")},
        }


def shadow_on_sites(
    grid: Grid,
    plan: RunPlan,
    round_: int,
    candidate: str,
    members: Sequence[Member],
    deadlines: Deadlines,
) -> ShadowMetrics:
    """Counts of ``candidate`` (a component's digest) in the shadow of production, by ``members``.

    Each call is a release that each site charges to its ledger; sites without this candidate, or
    whose plan has no noise for it, are among the refusals.
    """
    asked = Instruction(plan, round_, {}, candidate=candidate)
    noise = plan.evaluation.noise_on_counts if plan.evaluation else 0.0
    metrics = ShadowMetrics(len(members), noise)
    exchange = Exchange(
        grid,
        "query.shadow",
        wire.InstructionWriter(asked).content,
        members,
        f"shadow {round_}",
        deadlines,
    )
    exchange.collect(lambda member, reply: _add(member, reply, metrics))
    metrics.errors += exchange.errors
    _bound(metrics, members)
    return metrics


def _bound(metrics: ShadowMetrics, members: Sequence[Member]) -> None:
    """Cut the counts that are not possible, or lie too far from the other sites'."""
    given = {n: Counts(one.windows, (one.agreed, one.failed)) for n, one in metrics.given.items()}
    kept = bounded(given, metrics.noise, (Part(metrics.noise), Part(metrics.noise)))
    metrics.given = {node: ShadowCounts(one.windows, *one.parts) for node, one in kept.items()}
    metrics.cut += cuts(given, kept, members)


def running_on_sites(
    grid: Grid, members: Sequence[Member], deadlines: Deadlines
) -> tuple[dict[str, RunningComponents], list[str]]:
    """The components that each site runs, and why replies are missing."""
    exchange = Exchange(grid, "query.running", wire.empty, members, "running", deadlines)
    running, errors = dict[str, RunningComponents](), list[str]()

    def take(member: Member, reply: Message) -> bool:
        try:
            answer = wire_running.read_running(reply.content)
            member.check_name(answer.site)
        except wire.WireError as error:
            errors.append(f"{member}: {error}")
            return False
        running[member.site] = answer
        return True

    exchange.collect(take)
    return running, errors + exchange.errors


def _add(member: Member, reply: Message, metrics: ShadowMetrics) -> bool:
    """Add one reply, or the reason why it does not count; whether it has counts."""
    try:
        answer = wire.read_answer(reply.content)
        if isinstance(answer, Refusal):
            member.check_name(answer.site)
    except wire.WireError as error:
        metrics.errors.append(f"{member}: {error}")
        return False
    if isinstance(answer, Refusal):
        metrics.refusals.append(answer)
    elif isinstance(answer, ShadowCounts) and all(map(math.isfinite, asdict(answer).values())):
        metrics.given[member.node] = answer
        return True
    else:
        metrics.errors.append(f"{member}: its reply has no finite counts")
    return False
