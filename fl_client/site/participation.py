"""A site's part in a round: check the plan, debit the ledger, train, release.

The guarantee rests on this order: the ledger is written and synced before the first gradient, and
everything leaves through the release gateway. One call serves any number of sites; a device is one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fl_client.components.comparison import Comparison
from fl_client.components.inventory import InstalledComponent
from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.compression import compress
from fl_client.release.drawn import DrawnBefore
from fl_client.release.gateway import release_refusal, release_update
from fl_client.release.repeats import ReleaseHistory
from fl_client.release.residuals import Residuals
from fl_client.site.evaluation import answer_evaluation
from fl_client.site.shadow import answer_shadow
from fl_client.training import LocalTask, Trainer
from fl_client.training.checks import check_task, refuse, text_of
from fl_common.errors import BadInput, LedgerError, PrivacyViolation, StoreError
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.unit import WHOLE_SITE
from fl_common.vocabulary import (
    Evaluation,
    LocalUpdate,
    Refusal,
    RefusalReason,
    ShadowCounts,
    Windows,
)


def no_comparison(candidate: str | None) -> Comparison | None:
    """The comparison of a site that follows no repository: none."""
    return None


@dataclass(frozen=True)
class Site:
    """One site's name and private data; ``position`` is its index in a simulated fleet, else -1.

    ``check_plan`` raises ``BadInput`` for a plan that the site takes no part in. ``comparison`` is
    that of a candidate (a digest) with production; None if the site does not have it. ``runs``
    returns the components that run; None if the site does not disclose them.
    """

    name: str
    position: int
    training_windows: Callable[[], Windows] = field(repr=False)
    held_out_windows: Callable[[], Windows] = field(repr=False)
    check_plan: Callable[[RunPlan], None] = field(repr=False)
    comparison: Callable[[str | None], Comparison | None] = field(repr=False, default=no_comparison)
    runs: Callable[[], Sequence[InstalledComponent]] | None = field(repr=False, default=None)


Reply = LocalUpdate | Refusal
Requests = Sequence[tuple[Site, Instruction]]
"""Instructions, each with the site that it is for."""


@dataclass(frozen=True)
class AdmittedTask:
    """An instruction, and what the site will do: train on the debited data, or refuse."""

    instruction: Instruction
    task: LocalTask | Refusal


_RESIDUALS = "residuals"
"""The folder beside the ledger that holds the residuals of compressed updates."""


def any_plan(plan: RunPlan) -> None:
    """The plan check of a simulated site: it takes part in every plan."""


class Participation:
    """Answers instructions to train and to evaluate for the sites of this process."""

    def __init__(self, ledger: Ledger, trainer: Trainer) -> None:
        self._ledger = ledger
        self._trainer = trainer
        self._history = ReleaseHistory()
        self._drawn = DrawnBefore(ledger.folder)
        self._residuals = Residuals(ledger.folder / _RESIDUALS)

    def close(self) -> None:
        """Close the ledger; no more instructions can be answered."""
        self._ledger.close()

    def answer(self, requests: Requests) -> list[Reply]:
        """An update or a refusal for each, in order."""
        return self.train(self.admit(requests))

    def admit(self, requests: Requests) -> list[AdmittedTask]:
        """Check the plans and debit the sites that will train, in one transaction."""
        admitted = self._debit(list(self._tasks(requests)))
        return [
            AdmittedTask(instruction, task)
            for (_, instruction), task in zip(requests, admitted, strict=True)
        ]

    def train(self, cohort: Sequence[AdmittedTask]) -> list[Reply]:
        """Train the admitted tasks as one cohort, and release; call it once per admission."""
        tasks = [admitted.task for admitted in cohort if isinstance(admitted.task, LocalTask)]
        trained = iter(self._trainer.train(tasks))
        replies = [
            self._released(b.task if isinstance(b.task, Refusal) else next(trained), b.instruction)
            for b in cohort
        ]
        self._drawn.keep()
        return replies

    def evaluate(self, site: Site, instruction: Instruction) -> Evaluation | Refusal:
        """Counts of the instruction's parameters on the site's held-out windows, or a refusal."""
        if (refusal := _refusal_of(site, instruction)) is not None:
            return refusal
        counts = answer_evaluation(site.name, site.held_out_windows, instruction, self._ledger)
        self._drawn.keep()
        return counts

    def shadow(self, site: Site, instruction: Instruction) -> ShadowCounts | Refusal:
        """The site's shadow counts of the instruction's candidate, or a refusal."""
        if (refusal := _refusal_of(site, instruction)) is not None:
            return refusal
        comparison = site.comparison(instruction.candidate)
        counts = answer_shadow(site.name, comparison, instruction, self._ledger)
        self._drawn.keep()
        return counts

    def _tasks(self, requests: Requests) -> Iterator[LocalTask | Refusal]:
        for site, instruction in requests:
            plan, round_ = instruction.plan, instruction.round
            reason = RefusalReason.PLAN
            try:
                site.check_plan(plan)
                reason = RefusalReason.DATA
                windows = site.training_windows()
            except (BadInput, StoreError) as error:
                yield Refusal(site.name, plan.run, round_, reason, text_of(error))
                continue
            parameters = instruction.parameters
            task = LocalTask(plan, site.name, round_, parameters, windows, is_checked=True)
            yield (
                check_task(task) or self._check_same_plan(task) or task
            )  # only if the check agrees

    def _check_same_plan(self, task: LocalTask) -> Refusal | None:
        """Refuse a plan without DP in a run that was charged; a debit checks plans with DP."""
        if task.plan.privacy.guarantee is not None:
            return None
        try:
            charged = self._ledger.plan_of(task.site, task.plan.run)
        except LedgerError as error:
            return refuse(task, RefusalReason.LEDGER, str(error))
        if charged not in (None, task.plan.digest()):
            return refuse_changed_plan(task.site, task.plan.run, task.round)
        return None

    def _debit(self, tasks: list[LocalTask | Refusal]) -> list[LocalTask | Refusal]:
        """The tasks that may train, on their open blocks only; refusals for the others."""
        admitted = list(tasks)
        private = {
            position: task
            for position, task in enumerate(tasks)
            if isinstance(task, LocalTask) and task.plan.privacy.guarantee is not None
        }
        try:
            debits = self._ledger.debit([_charge(task) for task in private.values()])
        except LedgerError as error:
            for position, task in private.items():
                admitted[position] = refuse(task, RefusalReason.LEDGER, str(error))
            return admitted
        for (position, task), debit in zip(private.items(), debits, strict=True):
            admitted[position] = debit if isinstance(debit, Refusal) else _restricted(task, debit)
        return admitted

    def _released(self, answer: Reply, instruction: Instruction) -> Reply:
        """What may leave: the answer, or a refusal instead."""
        if isinstance(answer, Refusal):
            return release_refusal(answer, instruction)
        released = release_update(answer, instruction)
        if isinstance(released, Refusal):
            return released
        try:
            self._history.check(released, instruction.plan)
        except PrivacyViolation as error:
            reason = RefusalReason.PRIVACY
            refusal = Refusal(answer.site, answer.run, answer.round, reason, str(error))
            return release_refusal(refusal, instruction)
        compressed = compress(released, instruction.plan, self._residuals)
        if isinstance(compressed, Refusal):
            return release_refusal(compressed, instruction)
        return compressed


def _refusal_of(site: Site, instruction: Instruction) -> Refusal | None:
    """A refusal if the site takes no part in the plan, else None."""
    plan, round_ = instruction.plan, instruction.round
    try:
        site.check_plan(plan)
    except BadInput as error:
        refusal = Refusal(site.name, plan.run, round_, RefusalReason.PLAN, str(error))
        return release_refusal(refusal, instruction)
    return None


def _charge(task: LocalTask) -> Charge:
    """The charge that the plan makes to this site before it trains."""
    plan, windows = task.plan, task.windows
    counts_B = np.bincount(windows.block_of, minlength=len(windows.blocks)).tolist()
    windows_of = dict(zip(windows.blocks, counts_B, strict=True))
    booking = plan.privacy.booking(task.round, plan.rounds, windows_of)
    return Charge(
        site=task.site,
        run=plan.run,
        round=booking.round,
        plan=plan.digest(),
        privacy=plan.privacy,
        blocks=tuple(booking.windows_of),
        windows=tuple(booking.windows_of.values()),
        repeatable=booking.is_once or plan.seed is not None,
        rounds=booking.rounds,
    )


def _restricted(task: LocalTask, open_blocks: Sequence[str]) -> LocalTask:
    """The task on the windows of the open blocks only; on all if the block is the whole site."""
    windows = task.windows
    if WHOLE_SITE in open_blocks or len(open_blocks) == len(windows.blocks):
        return task
    is_open_B = np.isin(windows.blocks, open_blocks)
    rest = windows.take(is_open_B[windows.block_of])
    return LocalTask(task.plan, task.site, task.round, task.parameters, rest)
