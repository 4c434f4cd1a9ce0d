"""The federated round over a Flower grid: send instructions, fold replies as they arrive, step.

Flower's own ``Strategy.start`` keeps the replies of two rounds in memory and always begins at round
one; this loop holds one update at a time and continues from a checkpoint.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from flwr.app import Message
from flwr.serverapp import Grid

from fl_common.errors import RunFailed
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import Spend
from fl_common.vocabulary import Parameters
from fl_common.wire import messages as wire
from fl_server.aggregation import Aggregator
from fl_server.aggregation.mean import WeightedMean
from fl_server.aggregation.private_sum import PrivateSum, check_site_level, start_fold
from fl_server.optimisers import ServerOptimiser, State
from fl_server.optimisers.averaging import FedAvg
from fl_server.rounds.accounting import SpendTally
from fl_server.rounds.comparison import Comparison, Incumbent
from fl_server.rounds.evaluation import evaluate_on_sites
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.folding import Folding
from fl_server.rounds.latecomers import Latecomers
from fl_server.rounds.quorum import EVERYBODY, Quorum
from fl_server.rounds.report import RoundReport
from fl_server.rounds.roster import Member, Roster, checked_members
from fl_server.rounds.sampling import Sampling
from models.nets import Net, build_net, trained_part

_PLAIN = (WeightedMean.__name__, FedAvg.__name__)
_ROSTER_POLL_S = 0.1


@dataclass(frozen=True)
class Progress:
    """The state of a run after ``round`` rounds (0 at the start).

    ``clip_norm`` is the next round's under a site-level plan; None at its start and elsewhere.
    """

    round: int
    parameters: Parameters
    optimiser_state: State
    charged: Sequence[Sequence[str]] = ()
    clip_norm: float | None = None
    evaluated: Sequence[Sequence[str]] = ()
    """The sites that each evaluation may have charged."""


@dataclass(frozen=True)
class Federation:
    """Everything that a round needs except the grid.

    ``round_timeout_s`` bounds the wait for replies, and the ``quorum`` that for the last of them.
    ``poll_interval_s`` is the pause between polls of a grid that has no replies yet; ``clock`` and
    ``wait`` are those of the waits, ``stopwatch`` that of records. ``evaluate_every`` is the number
    of rounds between evaluations on the sites that took part; the last round always has one. None:
    no evaluation on the sites. In the last round the sites that replied also evaluate the
    ``incumbent``: a second release, charged as such. ``cut_outliers``: see ``screening``.

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
    cut_outliers: bool = True
    incumbent: Incumbent | None = None
    beside: Sequence[Spend] = ()
    """What each site has spent before the first round, on a survey."""
    quorum: Quorum = EVERYBODY
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    stopwatch: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        check_site_level(self.plan.privacy, self.aggregator, self.sampling)

    @cached_property
    def _net(self) -> Net:
        return build_net(self.plan.net, self.plan.task)

    def trained(self, parameters: Parameters) -> Parameters:
        """Those of ``parameters`` that a run moves and a site sends; frozen ones stay."""
        return trained_part(self._net, parameters)

    @property
    def name(self) -> str:
        """What sites and server do with updates, by the classes that do it: ``CoordinateMedian``.

        The plain mean, and the step that applies it as it is, are named where nothing else is.
        """
        names = [type(self.aggregator).__name__, type(self.optimiser).__name__]
        proximal = ["FedProx"] if self.plan.training.proximal_mu else []
        named = [name for name in names if name not in _PLAIN] + proximal
        return " + ".join(named) or FedAvg.__name__

    @property
    def _deadlines(self) -> Deadlines:
        return Deadlines(
            self.round_timeout_s, self.poll_interval_s, self.clock, self.wait, self.quorum
        )

    def rounds(self, grid: Grid, progress: Progress) -> Iterator[RoundReport]:
        """The rounds after ``progress``, one report each.

        Raises:
            RunFailed: fewer updates than the minimum in a round.
        """
        tally = SpendTally(self.plan.privacy, self.beside)
        for sites in progress.charged:
            tally.charge(sites)
        evaluations, latecomers = self._evaluations(progress), Latecomers(self.clock)
        parameters, state = progress.parameters, progress.optimiser_state
        mechanism, clip_norm = self.plan.privacy.update_mechanism, progress.clip_norm
        if mechanism is not None and clip_norm is None:
            clip_norm = mechanism.clip_norm
        for round_ in range(progress.round + 1, self.plan.rounds + 1):
            report = self._round(grid, round_, parameters, state, clip_norm, latecomers)
            tally.charge(report.charged)
            report.epsilon, report.epsilon_per = tally.epsilon(), tally.epsilon_per()
            parameters, state = report.parameters, report.optimiser_state
            clip_norm = report.next_clip_norm
            self._evaluate(grid, report, evaluations, latecomers)
            yield report

    def _round(
        self,
        grid: Grid,
        round_: int,
        parameters: Parameters,
        state: State,
        clip_norm: float | None,
        latecomers: Latecomers,
    ) -> RoundReport:
        started = self.stopwatch()
        drawn = checked_members(self._drawn(self.roster(grid), round_))
        members = self._free(grid, drawn, latecomers)
        sites = [member.site for member in members]
        report = RoundReport(
            round_, parameters, state, members, clip_norm, clip_norm, charged=sites
        )
        report.busy = [member.site for member in drawn if member not in members]
        instruction = Instruction(self.plan, round_, parameters, clip_norm)
        trained = replace(instruction, parameters=self.trained(parameters))
        writer = wire.InstructionWriter(instruction)
        fold = start_fold(self.plan, self.aggregator, trained.parameters, round_, clip_norm)
        folding = Folding(trained, fold, report, self.cut_outliers)
        about = (writer.content, members, str(round_), self._deadlines, latecomers)
        exchange = Exchange(grid, "train", *about)
        exchange.collect(folding.take)
        folding.finish()
        report.bytes_down = exchange.bytes_down
        report.errors += exchange.errors
        report.late = [member.site for member in exchange.late]
        minimum = min(self.sampling.minimum, len(drawn))
        if report.updates < minimum:
            raise RunFailed(report.too_few(minimum))
        moved, report.optimiser_state = self.optimiser.step(
            trained.parameters, folding.change(), state
        )
        report.parameters = {**parameters, **moved}
        if isinstance(fold, PrivateSum):
            report.next_clip_norm = fold.next_clip_norm
        report.seconds = self.stopwatch() - started
        return report

    def _free(
        self, grid: Grid, drawn: Sequence[Member], latecomers: Latecomers
    ) -> Sequence[Member]:
        """Those of the ``drawn`` that are not at work; waits until a quorum of them is not."""
        while True:
            latecomers.collect(grid)
            members = latecomers.free(drawn)
            if len(members) >= self.quorum.of(len(drawn)):
                return members
            self.wait(self.poll_interval_s)

    def _drawn(self, roster: Sequence[Member], round_: int) -> Iterator[Member]:
        """The members that take part in a round; only these are looked up."""
        positions = self.sampling.choose(roster, round_, self.plan.seed)
        return (roster[position] for position in positions)

    def _evaluations(self, progress: Progress) -> SpendTally:
        """A tally of what earlier evaluations have cost blocks of held-out windows."""
        privacy, evaluation = self.plan.privacy, self.plan.evaluation
        tally = SpendTally((evaluation and evaluation.charged_under(privacy)) or privacy)
        for sites in progress.evaluated:
            tally.charge(sites)
        return tally

    def _evaluate(
        self, grid: Grid, report: RoundReport, tally: SpendTally, latecomers: Latecomers
    ) -> None:
        """Evaluate the round's parameters on its sites, if an evaluation is due."""
        every, round_ = self.evaluate_every, report.round
        if every is None or (round_ % every and round_ != self.plan.rounds):
            return
        members, parameters = report.members, report.parameters
        metrics = report.evaluation = evaluate_on_sites(
            grid, self.plan, round_, parameters, members, self._deadlines, latecomers
        )
        tally.charge(metrics.charged)
        if self.incumbent and round_ == self.plan.rounds:
            about = (self.incumbent, report, latecomers)
            comparison = report.comparison = self._compare(grid, *about)
            tally.charge(comparison.production.charged)
        metrics.epsilon, metrics.epsilon_per = tally.epsilon(), tally.epsilon_per()

    def _compare(
        self, grid: Grid, incumbent: Incumbent, report: RoundReport, latecomers: Latecomers
    ) -> Comparison:
        """Evaluate the incumbent on the sites that gave counts of the candidate."""
        plan, candidate = incumbent.evaluated_under(self.plan), report.evaluation
        assert candidate is not None
        members = [member for member in report.members if member.node in candidate.given]
        about = (self.plan.rounds + 1, incumbent.parameters, members, self._deadlines)
        production = evaluate_on_sites(grid, plan, *about, latecomers)
        return Comparison(incumbent.digest, candidate, production)


def ask_roster(
    grid: Grid, sites: Sequence[str], wait: Callable[[float], None] = time.sleep
) -> list[Member]:
    """A member for each of ``sites``, from the positions that the nodes of an engine have.

    Waits until there are as many nodes as sites.

    Raises:
        RunFailed: a node has another position, or one that another node has.
    """
    while len(nodes := list(grid.get_node_ids())) < len(sites):
        wait(_ROSTER_POLL_S)
    asked = set(grid.push_messages([Message(wire.empty(), node, "query") for node in nodes]))
    node_at: dict[int, int] = {}
    while asked:
        for reply in grid.pull_messages(asked):
            asked.discard(reply.metadata.reply_to_message_id)
            if reply.has_content():
                node_at[wire.read_name(reply.content)[1]] = reply.metadata.src_node_id
        if asked:
            wait(_ROSTER_POLL_S)
    if sorted(node_at) != list(range(len(sites))):
        raise RunFailed(f"of {len(sites)} sites, {len(node_at)} have told their position")
    return [Member(node_at[position], site) for position, site in enumerate(sites)]
