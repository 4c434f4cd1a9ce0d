"""The replies of one round, counted one by one: checked, screened, folded, or left out by name."""

from collections.abc import Iterable
from dataclasses import dataclass

from flwr.app import Message

from fl_common import params
from fl_common.compression.quantisation import PackedDelta
from fl_common.plan import Instruction
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from fl_server.aggregation import BadUpdate, Fold
from fl_server.aggregation.private_sum import PrivateSum
from fl_server.rounds.accounting import SPENDS_NOTHING
from fl_server.rounds.plan_bound import largest_norm
from fl_server.rounds.report import RoundReport
from fl_server.rounds.roster import Member
from fl_server.rounds.screening import Screen


@dataclass
class Folding:
    """Adds replies to ``fold``, and what became of each to ``report``.

    ``instruction`` has the trained ones alone of the parameters that were sent.
    """

    instruction: Instruction
    fold: Fold
    report: RoundReport
    cut_outliers: bool

    def __post_init__(self) -> None:
        is_private = isinstance(self.fold, PrivateSum)
        plan, parameters = self.instruction.plan, self.instruction.parameters
        bounds = self.cut_outliers, largest_norm(self.instruction)
        self._screen = None if is_private else Screen(plan, parameters, *bounds)

    def take(self, member: Member, reply: Message) -> bool:
        """Count one reply, or record why it does not count; whether it is an update of use."""
        self.report.bytes_up += wire_log.count_bytes(reply.content)
        try:
            answer = wire.read_answer(reply.content, self.instruction.parameters)
            if isinstance(answer, LocalUpdate):
                self._check_origin(answer, member)
                self._check_form(answer)
                self._count(self._screen.admit(answer) if self._screen else [answer])
                return True
            if isinstance(answer, Refusal):
                member.check_name(answer.site)
                self.report.refusals.append(answer)
                if answer.reason in SPENDS_NOTHING:
                    self.report.charged.remove(member.site)
                return False
            raise wire.WireError("its answer is neither an update nor a refusal")
        except BadUpdate as error:
            self.report.errors.append(str(error))
        except wire.WireError as error:
            self.report.errors.append(f"{member}: {error}")
        return False

    def change(self) -> Parameters:
        """The fold's result; no change if no site was sampled and nobody adds noise."""
        if self.fold.count == 0 and not isinstance(self.fold, PrivateSum):
            return params.scale(self.instruction.parameters, 0.0)
        return self.fold.result()

    def finish(self) -> None:
        """Count the updates that were held back, once every reply is here."""
        if self._screen is not None:
            self._count(self._screen.rest())
            self.report.cut += self._screen.notes

    def _count(self, updates: Iterable[LocalUpdate]) -> None:
        for update in updates:
            try:
                self.fold.add(update)
            except BadUpdate as error:
                self.report.errors.append(str(error))
                continue
            self.report.answered.add(update.site)
            self.report.updates += 1

    def _check_origin(self, update: LocalUpdate, member: Member) -> None:
        """Raise WireError for an update in another's name, or of another run or round."""
        member.check_name(update.site)
        if (update.run, update.round) != (self.instruction.plan.run, self.report.round):
            raise wire.WireError(
                f"the update is of run {update.run!r} round {update.round},"
                f" not of run {self.instruction.plan.run} round {self.report.round}"
            )

    def _check_form(self, update: LocalUpdate) -> None:
        """Raise WireError unless ``update`` is compressed as the plan says."""
        delta, compression = update.delta, self.instruction.plan.compression
        packed = delta if isinstance(delta, PackedDelta) else None
        fits = packed is None if compression is None else packed and packed.fits(compression)
        if not fits:
            raise wire.WireError("the update is not compressed as the plan says")
