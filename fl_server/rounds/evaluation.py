"""Evaluation of a model on the sites' own held-out windows.

The counts are exact under a public plan; otherwise each site has added the evaluation plan's noise,
and every figure comes with the standard error due to this noise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import Doubles, Evaluation, Parameters, Refusal, Task
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from fl_server.rounds.accounting import SPENDS_NOTHING
from fl_server.rounds.bounded_counts import Counts, Part, bounded, cuts
from fl_server.rounds.bounded_details import bounded_details, sum_details
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.latecomers import Latecomers
from fl_server.rounds.roster import Member
from models.kinds import kind_of
from models.kinds.details import BesideGuess, Details, Estimate, details_of
from models.kinds.guesses import guess_on_sites

_LEAST_ERRORS = 2.0
"""With a noised number of windows below this many standard errors, no share of it is reported."""


@dataclass
class SiteMetrics:
    """The sites' evaluations of one model: ``given`` has each node's counts.

    They are as received, but for those in ``cut`` (``bounded_counts``).

    ``details`` reads their details, where they give some.
    ``noise_on_counts`` (windows) and ``noise_on_loss`` are standard deviations for one site,
    0.0 where counts are public. ``charged`` are the sites that may have spent privacy; ``epsilon``
    and ``epsilon_per`` (window, reading) are composed over all evaluations of the run, the highest
    over sites, for a block of held-out windows.
    """

    asked: int
    noise_on_counts: float
    noise_on_loss: float
    details: Details | None = None
    given: dict[int, Evaluation] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    epsilon: float = 0.0
    epsilon_per: dict[str, float] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Number of sites that gave counts."""
        return len(self.given)

    @property
    def correct(self) -> float:
        """Scores of windows, summed: of labels, how many windows are named right."""
        return sum(one.correct for one in self.given.values())

    @property
    def total(self) -> float:
        """Windows."""
        return sum(one.total for one in self.given.values())

    @property
    def loss_sum(self) -> float:
        """Summed loss."""
        return sum(one.loss_sum for one in self.given.values())

    @property
    def accuracy(self) -> float | None:
        """Mean score, such as the share that is named right; None if noise hides it."""
        return min(max(self.correct / self.total, 0.0), 1.0) if self._is_known else None

    @property
    def loss(self) -> float | None:
        """Mean loss, clipped per window to the limit; None if noise hides it."""
        return max(self.loss_sum / self.total, 0.0) if self._is_known else None

    @property
    def accuracy_error(self) -> float | None:
        """Standard error of ``accuracy`` due to the noise alone, to first order (delta method)."""
        if (share := self.accuracy) is None:
            return None
        return self._error_of_total * math.sqrt(1 + share**2) / self.total

    @property
    def loss_error(self) -> float | None:
        """Standard error of ``loss`` due to the noise alone, to first order."""
        if (loss := self.loss) is None:
            return None
        sites = math.sqrt(self.answered)
        return sites * math.hypot(self.noise_on_loss, loss * self.noise_on_counts) / self.total

    @property
    def measures(self) -> Mapping[str, Estimate]:
        """What follows from the details, by name, with standard errors due to the noise alone."""
        if (summed := self._details_summed) is None or self.details is None:
            return {}
        return self.details.estimates(*summed)

    @property
    def hidden(self) -> Sequence[str]:
        """Labels that are in no measure, because noise hides their windows."""
        if (summed := self._details_summed) is None or self.details is None:
            return ()
        return self.details.hidden(*summed[1:])

    @property
    def beside_guess(self) -> BesideGuess | None:
        """The model beside its kind's guess; None if the sums don't tell, or noise hides it."""
        summed, share, error = self._details_summed, self.accuracy, self.accuracy_error
        if summed is None or self.details is None or share is None or error is None:
            return None
        return self.details.beside_guess(Estimate(share, error), *summed)

    def measured(self, task: Task) -> dict[str, float | None]:
        """What the mean score stands for, what follows from details, a guess, and the loss.

        They are by name; None is what can't be told.
        """
        kind, beside = kind_of(task), self.beside_guess
        first = None if self.accuracy is None else kind.of_score(self.accuracy)
        measures = {name: one.value for name, one in self.measures.items()}
        told = details_of(task)
        name = beside.measure if beside else told.guessed if told else kind.measures[0].name
        guess = {guess_on_sites(name): beside.guess.value if beside else None}
        return {kind.on_sites.name: first, **measures, "loss": self.loss, **guess}

    def figures(self) -> dict[str, Any]:
        """The figures for records and display, as JSON: no names of sites, no exact counts."""
        measures = self.measures
        return {
            "sites": self.answered,
            "refused": len(self.refusals),
            "errors": len(self.errors),
            "cut": len(self.cut),
            "accuracy": self.accuracy,
            "accuracy_error": self.accuracy_error,
            "loss": self.loss,
            "loss_error": self.loss_error,
            "measures": {name: one.value for name, one in measures.items()},
            "measure_errors": {name: one.error for name, one in measures.items()},
            "hidden_labels": list(self.hidden),
            "guess": asdict(self.beside_guess) if self.beside_guess else None,
            "noise_on_counts": self.noise_on_counts,
            "epsilon": self.epsilon,
            **{f"epsilon_per_{unit}": epsilon for unit, epsilon in self.epsilon_per.items()},
        }

    @property
    def _details_summed(self) -> tuple[Estimate, Doubles, Doubles] | None:
        """See ``sum_details``; None if there are none, or noise hides the windows."""
        if self.details is None or not self._is_known:
            return None
        summed = sum_details(self.details, self.given.values(), self.noise_on_counts)
        return summed if summed[0].value > _LEAST_ERRORS * summed[0].error else None

    @property
    def _error_of_total(self) -> float:
        return self.noise_on_counts * math.sqrt(self.answered)

    @property
    def _is_known(self) -> bool:
        return self.total > max(_LEAST_ERRORS * self._error_of_total, 0.0)


def evaluate_on_sites(
    grid: Grid,
    plan: RunPlan,
    round_: int,
    parameters: Parameters,
    members: Sequence[Member],
    deadlines: Deadlines,
    latecomers: Latecomers | None = None,
) -> SiteMetrics:
    """Counts of ``parameters`` on the held-out windows of ``members``.

    ``plan`` has an evaluation plan, or is public; under any other each site refuses. Each call is a
    release that each site charges to its ledger, so two models cost twice. A site that has no
    budget or no held-out windows is among the refusals. One of the ``latecomers`` is not asked.
    """
    asked, noise = Instruction(plan, round_, parameters), plan.evaluation
    latecomers = latecomers or Latecomers(deadlines.clock)
    latecomers.collect(grid)
    members = latecomers.free(members)
    metrics = SiteMetrics(
        asked=len(members),
        noise_on_counts=noise.noise_on_counts if noise else 0.0,
        noise_on_loss=noise.noise_on_loss if noise else 0.0,
        details=details_of(plan.task) if plan.details else None,
        charged=[member.site for member in members] if noise else [],
    )
    content, group = wire.InstructionWriter(asked).content, f"evaluation {round_}"
    exchange = Exchange(grid, "evaluate", content, members, group, deadlines, latecomers)
    exchange.collect(lambda member, reply: _add(member, reply, metrics))
    metrics.bytes_down = exchange.bytes_down
    metrics.errors += exchange.errors
    _bound(metrics, members, noise.loss_limit if noise else math.inf)
    return metrics


def _bound(metrics: SiteMetrics, members: Sequence[Member], loss_limit: float) -> None:
    """Cut the counts that are not possible, or lie too far from the other sites'."""
    given = {
        node: Counts(one.total, (one.correct, one.loss_sum)) for node, one in metrics.given.items()
    }
    parts = Part(metrics.noise_on_counts), Part(metrics.noise_on_loss, loss_limit)
    kept = bounded(given, metrics.noise_on_counts, parts)
    details = bounded_details(metrics.given, kept, metrics.details, metrics.noise_on_counts)
    metrics.given = {
        node: Evaluation(one.parts[0], one.windows, one.parts[1], details[node])
        for node, one in kept.items()
    }
    metrics.cut += cuts(given, kept, members)


def _add(member: Member, reply: Message, metrics: SiteMetrics) -> bool:
    """Add one reply, or the reason why it does not count; whether it has counts."""
    metrics.bytes_up += wire_log.count_bytes(reply.content)
    try:
        answer = wire.read_answer(reply.content)
        if isinstance(answer, Refusal):
            member.check_name(answer.site)
    except wire.WireError as error:
        metrics.errors.append(f"{member}: {error}")
        return False
    if isinstance(answer, Refusal):
        metrics.refusals.append(answer)
        if answer.reason in SPENDS_NOTHING and member.site in metrics.charged:
            metrics.charged.remove(member.site)
    elif isinstance(answer, Evaluation) and _is_finite(answer):
        metrics.given[member.node] = answer
        return True
    else:
        metrics.errors.append(f"{member}: its reply is not a finite evaluation")
    return False


def _is_finite(answer: Evaluation) -> bool:
    sums = (answer.correct, answer.total, answer.loss_sum, *answer.details)
    return all(map(math.isfinite, sums))
