"""A site's part in a round: check the plan, debit the ledger, read the data, train, release.

The guarantee rests on this order. What can be refused is refused by public facts: the plan, the
parameters, the ledger. Then the ledger is written and synced, and only then are windows read. From
there on the server gets an update of the planned form, whatever the windows are: what can't be
trained on is left out, and an answer without any data is the mechanism's for the empty data set. A
plan without DP makes everything public, and is refused for its data, too. Everything leaves through
the release gateway. One call serves any number of sites; a device is one.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from fl_client.components.comparison import Comparison
from fl_client.components.inventory import InstalledComponent
from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.compression import compress
from fl_client.release.drawn import DrawnBefore
from fl_client.release.gateway import release_ledger_head, release_refusal, release_update
from fl_client.release.repeats import ReleaseHistory
from fl_client.release.residuals import Residuals
from fl_client.site.charged_training import ChargedTrainer
from fl_client.site.evaluation import answer_evaluation
from fl_client.site.private_data import declared_blocks, no_windows, usable
from fl_client.site.shadow import answer_shadow
from fl_client.site.shortfalls import FILE, Shortfalls
from fl_client.training import LocalTask, Trainer
from fl_client.training.checks import check_public, check_windows, refuse, text_of
from fl_client.training.surveys import WithSurveys
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

    ``training_blocks`` and ``held_out_blocks`` return the privacy blocks that are charged under DP,
    whether they hold windows or not, and so must depend on no window. None: those that a simulated
    world declares with its windows.
    """

    name: str
    position: int
    training_windows: Callable[[], Windows] = field(repr=False)
    held_out_windows: Callable[[], Windows] = field(repr=False)
    check_plan: Callable[[RunPlan], None] = field(repr=False)
    comparison: Callable[[str | None], Comparison | None] = field(repr=False, default=no_comparison)
    runs: Callable[[], Sequence[InstalledComponent]] | None = field(repr=False, default=None)
    training_blocks: Callable[[], Sequence[str]] | None = field(repr=False, default=None)
    held_out_blocks: Callable[[], Sequence[str]] | None = field(repr=False, default=None)


Reply = LocalUpdate | Refusal
Requests = Sequence[tuple[Site, Instruction]]
"""Instructions, each with the site that it is for."""


@dataclass(frozen=True)
class AdmittedTask:
    """An instruction, and what the site will do: train on the debited data, or refuse."""

    instruction: Instruction
    task: LocalTask | Refusal


_logger = logging.getLogger(__name__)
_RESIDUALS = "residuals"
"""The folder beside the ledger that holds the residuals of compressed updates."""


def any_plan(plan: RunPlan) -> None:
    """The plan check of a simulated site: it takes part in every plan."""


class Participation:
    """Answers instructions to train and to evaluate for the sites of this process."""

    def __init__(self, ledger: Ledger, trainer: Trainer) -> None:
        self._ledger = ledger
        self._history = ReleaseHistory()
        self._drawn = DrawnBefore(ledger.folder)
        self._residuals = Residuals(ledger.folder / _RESIDUALS)
        self._told = Shortfalls(ledger.folder / FILE)
        self._trainer = ChargedTrainer(WithSurveys(trainer), self._told)

    def close(self) -> None:
        """Close the ledger; no more instructions can be answered."""
        self._ledger.close()

    def heed(self, site: Site, seen: str | None) -> None:
        """Take care that the site's ledger has the line that the server has ``seen`` of it."""
        self._ledger.heed(site.name, seen)

    def ledger_head(self, site: str) -> str | None:
        """What the server may remember of the ledger of ``site``."""
        return release_ledger_head(self._ledger.head(site))

    def answer(self, requests: Requests) -> list[Reply]:
        """An update or a refusal for each, in order."""
        return self.train(self.admit(requests))

    def admit(self, requests: Requests) -> list[AdmittedTask]:
        """Check the plans, debit the sites that will train in one transaction, read their data."""
        checked = [_checked(site, instruction) for site, instruction in requests]
        charges = {place: one for place, one in enumerate(checked) if isinstance(one, Charge)}
        debits = self._debit(charges)
        tasks = [
            AdmittedTask(instruction, self._task(site, instruction, debits.get(place, one)))
            for place, ((site, instruction), one) in enumerate(zip(requests, checked, strict=True))
        ]
        self._told.keep()
        return tasks

    def train(self, cohort: Sequence[AdmittedTask]) -> list[Reply]:
        """Train the admitted tasks as one cohort, and release; call it once per admission."""
        tasks = [admitted.task for admitted in cohort if isinstance(admitted.task, LocalTask)]
        trained = iter(self._trainer.train(tasks))
        replies = [
            self._released(b.task if isinstance(b.task, Refusal) else next(trained), b.instruction)
            for b in cohort
        ]
        self._keep()
        return replies

    def evaluate(self, site: Site, instruction: Instruction) -> Evaluation | Refusal:
        """Counts of the instruction's parameters on the site's held-out windows, or a refusal."""
        if (refusal := _refusal_of(site, instruction)) is not None:
            return release_refusal(refusal, instruction)
        read = site.held_out_windows
        blocks = partial(declared_blocks, site.held_out_blocks, read)
        counts = answer_evaluation(site.name, blocks, read, instruction, self._ledger, self._told)
        self._keep()
        return counts

    def shadow(self, site: Site, instruction: Instruction) -> ShadowCounts | Refusal:
        """The site's shadow counts of the instruction's candidate, or a refusal."""
        if (refusal := _refusal_of(site, instruction)) is not None:
            return release_refusal(refusal, instruction)
        blocks = partial(declared_blocks, site.held_out_blocks, site.held_out_windows)
        counts = answer_shadow(
            site.name, blocks, site.comparison, instruction, self._ledger, self._told
        )
        self._keep()
        return counts

    def _keep(self) -> None:
        """Write down the noise that was drawn, before it leaves, and what the owner should know."""
        self._drawn.keep()
        self._told.keep()

    def _debit(self, charges: Mapping[int, Charge]) -> dict[int, tuple[str, ...] | Refusal]:
        """The blocks that each charge was booked on, or a refusal."""
        try:
            return dict(zip(charges, self._ledger.debit(list(charges.values())), strict=True))
        except LedgerError as error:
            reason, detail = RefusalReason.LEDGER, str(error)
            return {
                place: Refusal(charge.site, charge.run, charge.round, reason, detail)
                for place, charge in charges.items()
            }

    def _task(
        self,
        site: Site,
        instruction: Instruction,
        debit: tuple[str, ...] | Refusal | Charge | None,
    ) -> LocalTask | Refusal:
        """What to train on: after a debit whatever can be, without DP all or a refusal."""
        if isinstance(debit, Refusal):
            return debit
        task = _without_windows(site, instruction)
        if not isinstance(debit, tuple):
            return self._public_task(site, task)
        blocks = None if WHOLE_SITE in debit else debit
        windows = usable(site.name, site.training_windows, task.plan.task, blocks, self._told)
        _warn_of_delta(task, len(windows))
        return replace(task, windows=windows)

    def _public_task(self, site: Site, task: LocalTask) -> LocalTask | Refusal:
        try:
            task = replace(task, windows=site.training_windows())
        except (BadInput, StoreError) as error:
            return refuse(task, RefusalReason.DATA, text_of(error))
        return check_windows(task, enough=True) or self._check_same_plan(task) or task

    def _check_same_plan(self, task: LocalTask) -> Refusal | None:
        """Refuse a plan without DP in a run that was charged; a debit checks plans with DP."""
        try:
            charged = self._ledger.plan_of(task.site, task.plan.run)
        except LedgerError as error:
            return refuse(task, RefusalReason.LEDGER, str(error))
        if charged not in (None, task.plan.digest()):
            return refuse_changed_plan(task.site, task.plan.run, task.round)
        return None

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


def _warn_of_delta(task: LocalTask, windows: int) -> None:
    """Tell the owner of a delta that would allow to release a window (Dwork and Roth 2014)."""
    privacy = task.plan.privacy
    if privacy.sample_mechanism and privacy.guarantee and privacy.guarantee.delta * windows >= 1:
        _logger.warning(
            "site %s: delta %g is not below one over its %d windows; lower privacy.delta here",
            task.site,
            privacy.guarantee.delta,
            windows,
        )


def _without_windows(site: Site, instruction: Instruction) -> LocalTask:
    """The task as far as the server knows it."""
    plan, windows = instruction.plan, no_windows(instruction.plan.task)
    parameters = instruction.parameters
    return LocalTask(plan, site.name, instruction.round, parameters, windows, is_checked=True)


def _checked(site: Site, instruction: Instruction) -> Refusal | Charge | None:
    """By public facts alone: a refusal, or what the plan charges; None for one without DP."""
    if refusal := _refusal_of(site, instruction):
        return refusal
    if refusal := check_public(_without_windows(site, instruction)):
        return refusal
    return None if instruction.plan.privacy.guarantee is None else _charge(site, instruction)


def _refusal_of(site: Site, instruction: Instruction) -> Refusal | None:
    """A refusal if the site takes no part in the plan, else None."""
    plan, round_ = instruction.plan, instruction.round
    try:
        site.check_plan(plan)
    except BadInput as error:
        return Refusal(site.name, plan.run, round_, RefusalReason.PLAN, str(error))
    return None


def _charge(site: Site, instruction: Instruction) -> Charge:
    """The charge that the plan makes to this site before its data are read."""
    plan = instruction.plan
    blocks = declared_blocks(site.training_blocks, site.training_windows)
    booking = plan.privacy.booking(instruction.round, plan.rounds, blocks)
    return Charge(
        site=site.name,
        run=plan.run,
        round=booking.round,
        plan=plan.digest(),
        privacy=plan.privacy,
        blocks=booking.blocks,
        repeatable=booking.is_once or plan.seed is not None,
        rounds=booking.rounds,
        reads=blocks,
    )
