"""The federated round over a Flower grid: send instructions, fold replies as they arrive, step.

Flower's own ``Strategy.start`` keeps the replies of two rounds in memory and always begins at round
one; this loop holds one update at a time and continues from a checkpoint.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

from fl_common import params
from fl_common.compression.quantisation import PackedDelta
from fl_common.errors import RunFailed
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from fl_server.aggregation import Aggregator, BadUpdate, Fold
from fl_server.aggregation.private_sum import PrivateSum, check_site_level, start_fold
from fl_server.optimisers import ServerOptimiser, State
from fl_server.rounds.accounting import SPENDS_NOTHING, SpendTally
from fl_server.rounds.comparison import Comparison, Incumbent
from fl_server.rounds.evaluation import SiteMetrics, evaluate_on_sites
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.sampling import Sampling

Roster = Callable[[Grid], Sequence[int]]
"""Node identities of the sites in a stable order; may be a lazy sequence."""


@dataclass
class RoundReport:
    """One round as seen by the server: of ``nodes``, ``charged`` may have spent privacy.

    ``answered`` are the sites whose update was counted: each counts once, from whichever node.
    Under a site-level plan ``clip_norm`` is the round's, and ``next_clip_norm`` that of the next.
    """

    round: int
    asked: int
    parameters: Parameters
    optimiser_state: State
    clip_norm: float | None = None
    next_clip_norm: float | None = None
    nodes: Sequence[int] = ()
    updates: int = 0
    answered: set[str] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    charged: list[int] = field(default_factory=list)
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


@dataclass(frozen=True)
class Progress:
    """The state of a run after ``round`` rounds (0 at the start).

    ``clip_norm`` is the next round's under a site-level plan; None at its start and elsewhere.
    """

    round: int
    parameters: Parameters
    optimiser_state: State
    charged: Sequence[Sequence[int]] = ()
    clip_norm: float | None = None
    evaluated: Sequence[Sequence[int]] = ()
    """The nodes that each evaluation may have charged."""


@dataclass(frozen=True)
class Federation:
    """Everything that a round needs except the grid.

    ``round_timeout_s`` bounds the wait for replies. ``poll_interval_s`` is the pause between polls
    of a grid that has no replies yet. ``evaluate_every`` is the number of rounds between
    evaluations on the sites that took part; the last round always has one. None: no evaluation on
    the sites. In the last round the sites that replied also evaluate the ``incumbent``: a second
    release, charged as such. An update whose L2 norm is above ``largest_update_norm`` does not
    count (None: any does).

    Raises:
        InvalidConfiguration: a site-level plan with a sampling or an aggregator that violates it.
    """

    plan: RunPlan
    aggregator: Aggregator
    optimiser: ServerOptimiser
    sampling: Sampling
    roster: Roster
    round_timeout_s: float
    poll_interval_s: float
    evaluate_every: int | None = None
    largest_update_norm: float | None = None
    incumbent: Incumbent | None = None
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        check_site_level(self.plan.privacy, self.aggregator, self.sampling)

    @property
    def _deadlines(self) -> Deadlines:
        return Deadlines(self.round_timeout_s, self.poll_interval_s, self.clock, self.wait)

    def rounds(self, grid: Grid, progress: Progress) -> Iterator[RoundReport]:
        """The rounds after ``progress``, one report each.

        Raises:
            RunFailed: fewer updates than the minimum in a round.
        """
        tally = SpendTally(self.plan.privacy)
        for nodes in progress.charged:
            tally.charge(nodes)
        evaluations = self._evaluations(progress)
        parameters, state = progress.parameters, progress.optimiser_state
        mechanism, clip_norm = self.plan.privacy.update_mechanism, progress.clip_norm
        if mechanism is not None and clip_norm is None:
            clip_norm = mechanism.clip_norm
        for round_ in range(progress.round + 1, self.plan.rounds + 1):
            report = self._round(grid, round_, parameters, state, clip_norm)
            tally.charge(report.charged)
            report.epsilon, report.epsilon_per = tally.epsilon(), tally.epsilon_per()
            parameters, state = report.parameters, report.optimiser_state
            clip_norm = report.next_clip_norm
            self._evaluate(grid, report, evaluations)
            yield report

    def _round(
        self,
        grid: Grid,
        round_: int,
        parameters: Parameters,
        state: State,
        clip_norm: float | None,
    ) -> RoundReport:
        started = self.clock()
        roster = self.roster(grid)
        chosen = self.sampling.choose(roster, round_, self.plan.seed)
        nodes = [roster[position] for position in chosen]
        report = RoundReport(
            round_, len(nodes), parameters, state, clip_norm, clip_norm, nodes, charged=list(nodes)
        )
        writer = wire.InstructionWriter(Instruction(self.plan, round_, parameters, clip_norm))
        fold = start_fold(self.plan, self.aggregator, parameters, round_, clip_norm)
        exchange = Exchange(grid, "train", writer.content, nodes, str(round_), self._deadlines)
        for reply in exchange.replies():
            self._fold(reply, fold, report)
        report.bytes_down = exchange.bytes_down
        report.errors += exchange.errors
        minimum = min(self.sampling.minimum, report.asked)
        if fold.count < minimum:
            raise RunFailed(_too_few(report, fold.count, minimum))
        report.parameters, report.optimiser_state = self.optimiser.step(
            parameters, _change(fold, parameters), state
        )
        if isinstance(fold, PrivateSum):
            report.next_clip_norm = fold.next_clip_norm
        report.seconds = self.clock() - started
        return report

    def _evaluations(self, progress: Progress) -> SpendTally:
        """A tally of what earlier evaluations have cost blocks of held-out windows."""
        privacy, evaluation = self.plan.privacy, self.plan.evaluation
        tally = SpendTally((evaluation and evaluation.charged_under(privacy)) or privacy)
        for nodes in progress.evaluated:
            tally.charge(nodes)
        return tally

    def _evaluate(self, grid: Grid, report: RoundReport, tally: SpendTally) -> None:
        """Evaluate the round's parameters on its sites, if an evaluation is due."""
        every, round_ = self.evaluate_every, report.round
        if every is None or (round_ % every and round_ != self.plan.rounds):
            return
        metrics = report.evaluation = evaluate_on_sites(
            grid, self.plan, round_, report.parameters, report.nodes, self._deadlines
        )
        tally.charge(metrics.charged)
        if self.incumbent and round_ == self.plan.rounds:
            comparison = report.comparison = self._compare(grid, self.incumbent, metrics)
            tally.charge(comparison.production.charged)
        metrics.epsilon, metrics.epsilon_per = tally.epsilon(), tally.epsilon_per()

    def _compare(self, grid: Grid, incumbent: Incumbent, candidate: SiteMetrics) -> Comparison:
        """Evaluate the incumbent on the sites that gave counts of the candidate."""
        plan = incumbent.evaluated_under(self.plan)
        nodes, round_ = sorted(candidate.given), plan.rounds + 1
        production = evaluate_on_sites(
            grid, plan, round_, incumbent.parameters, nodes, self._deadlines
        )
        return Comparison(incumbent.digest, candidate, production)

    def _fold(self, reply: Message, fold: Fold, report: RoundReport) -> None:
        """Add one reply to the fold, or record why it does not count."""
        report.bytes_up += wire_log.count_bytes(reply.content)
        try:
            answer = wire.read_answer(reply.content, report.parameters)
            if isinstance(answer, LocalUpdate):
                self._check_origin(answer, report)
                self._check_form(answer)
                self._check_norm(answer)
                fold.add(answer)
                report.answered.add(answer.site)
                report.updates += 1
                return
        except (wire.WireError, BadUpdate) as error:
            report.errors.append(f"node {reply.metadata.src_node_id}: {error}")
            return
        if isinstance(answer, Refusal):
            report.refusals.append(answer)
            if answer.reason in SPENDS_NOTHING:
                report.charged.remove(reply.metadata.src_node_id)

    def _check_origin(self, update: LocalUpdate, report: RoundReport) -> None:
        """Raise WireError for an update of another run or round, or of a site counted already."""
        if (update.run, update.round) != (self.plan.run, report.round):
            raise wire.WireError(
                f"the update is of run {update.run} round {update.round},"
                f" not of run {self.plan.run} round {report.round}"
            )
        if update.site in report.answered:
            raise wire.WireError(f"site {update.site} has already answered in this round")

    def _check_form(self, update: LocalUpdate) -> None:
        """Raise WireError unless ``update`` is compressed as the plan says."""
        delta, compression = update.delta, self.plan.compression
        packed = delta if isinstance(delta, PackedDelta) else None
        fits = packed is None if compression is None else packed and packed.fits(compression)
        if not fits:
            raise wire.WireError(
                f"the update of site {update.site} is not compressed as the plan says"
            )

    def _check_norm(self, update: LocalUpdate) -> None:
        """Raise BadUpdate for an update that is larger than declared; NaN is found by the fold."""
        limit = self.largest_update_norm
        if limit is not None and (norm := params.norm(update.delta)) > limit:
            raise BadUpdate(update.site, f"its norm {norm:.3g} is above the limit of {limit:g}")


def _change(fold: Fold, parameters: Parameters) -> Parameters:
    """The fold's result; no change if no site was sampled and nobody adds noise."""
    if fold.count == 0 and not isinstance(fold, PrivateSum):
        return params.scale(parameters, 0.0)
    return fold.result()


def _too_few(report: RoundReport, count: int, minimum: int) -> str:
    reasons = [f"{refusal.site}: {refusal.detail}" for refusal in report.refusals] + report.errors
    first = reasons[0] if reasons else "no site answered"
    return (
        f"round {report.round}: {count} of {report.asked} sites sent an update, and the minimum is"
        f" {minimum}. First reason: {first}"
    )


def ask_roster(grid: Grid, expected: int, wait: Callable[[float], None] = time.sleep) -> list[int]:
    """Node identities in the order of the sites' positions, from a query to every node.

    Waits until ``expected`` nodes are there.
    """
    while len(nodes := list(grid.get_node_ids())) < expected:
        wait(0.1)
    queries = [Message(wire.empty(), node, "query") for node in nodes]
    replies = grid.send_and_receive(queries)
    named = [
        (wire.read_name(r.content)[1], r.metadata.src_node_id) for r in replies if r.has_content()
    ]
    return [node for _, node in sorted(named)]
