"""The decision on one charge: which of its blocks stay within all limits, and why none does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fl_client.ledger import lines
from fl_client.ledger.charge import Charge
from fl_client.ledger.composition import (
    Histories,
    Limit,
    Released,
    is_trained_on,
    limit_of_plan,
    released_about,
)
from fl_client.ledger.lines import Journal
from fl_common.privacy.accounting import ACCOUNTANTS
from fl_common.privacy.unit import WHOLE_SITE
from fl_common.vocabulary import Refusal, RefusalReason

_NAMED_BLOCKS = 5
_NEW = "(a new block)"


@dataclass(frozen=True)
class Step:
    """What a charge does to a block under one limit: all that was released before, and with it."""

    limit: Limit
    before: Released
    after: Released

    @property
    def is_allowed(self) -> bool:
        """Whether the limit holds for all that is released with the charge."""
        return self.limit.holds(self.after)


def debit(journal: Journal, charge: Charge, owner: Limit | None) -> tuple[str, ...] | Refusal:
    """The blocks that ``charge`` is booked on, or a refusal; ``owner`` limits all plans alike."""
    if (answer := _answered(journal, charge)) is not None:
        return answer
    histories = lines.histories_of(journal.connection, charge.site)
    if owner is not None and (refusal := _unbounded(charge, histories, owner)):
        return refusal
    steps_of = {
        block: list(_steps(block, charge, histories, owner))
        for block in dict.fromkeys(charge.blocks)
    }
    every = {step for steps in steps_of.values() for _, step in steps}
    allowed = {step for step in every if step.is_allowed}
    left = tuple(
        block for block, steps in steps_of.items() if all(step in allowed for _, step in steps)
    )
    if not left:
        pairs = [pair for steps in steps_of.values() for pair in steps if pair[1] not in allowed]
        return _exhausted(charge, pairs)
    journal.charge(charge, left)
    return left


def _steps(
    block: str, charge: Charge, histories: Histories, owner: Limit | None
) -> Iterator[tuple[str, Step]]:
    """Under the plan's limit and the owner's, each with the block that it is for.

    A release about the whole site is one about each block of its data, so the owner's limit for a
    window or a reading is checked for each of them, and for one that comes later.
    """
    before, plan = released_about(block, histories), limit_of_plan(charge.guarantee)
    yield block, Step(plan, before, before.plus(charge.spend))
    if owner is None:
        return
    if block != WHOLE_SITE or owner.protects_site:
        yield block, Step(owner, before, before.plus(charge.spend))
        return
    read = filter(is_trained_on, histories) if charge.reads is None else charge.reads
    for one in (*read, _NEW):
        before = released_about(one, histories)
        yield one, Step(owner, before, before.plus_of_site(charge.spend))


def _answered(journal: Journal, charge: Charge) -> tuple[str, ...] | Refusal | None:
    """A refusal for a changed plan, or the result of a charge that is booked; None otherwise."""
    charged = lines.plan_of(journal.connection, charge.site, charge.run)
    if charged not in (None, charge.plan):
        return refuse_changed_plan(charge.site, charge.run, charge.round)
    if not charge.repeatable:
        return _reused(journal, charge)
    if (booked := lines.booked(journal.connection, charge)) is None:
        return None
    mechanism, blocks = booked
    if mechanism == charge.mechanism and set(blocks) <= set(charge.blocks):
        return blocks
    return _refuse(
        charge,
        RefusalReason.PLAN,
        f"round {charge.round} of run {charge.run}: is in the ledger with another mechanism"
        f" (clip norm, noise multiplier, sampling rate, steps {mechanism}) or other blocks of data."
        " Begin a new run to change the plan or the data.",
    )


def _reused(journal: Journal, charge: Charge) -> tuple[str, ...] | None:
    """The blocks of a reopened charge, which a line marks as used; None if there is none."""
    if (blocks := lines.reopened(journal.connection, charge)) is not None:
        journal.charge(charge, (), reuses=blocks)
    return blocks


def refuse_changed_plan(site: str, run: str, round_: int) -> Refusal:
    """The refusal of a plan other than the one that ``run`` was first charged under."""
    return Refusal(
        site, run, round_, RefusalReason.PLAN,
        f"the plan of run {run}: is not the one that this site began the run with, and a plan can't"
        " change during a run. Begin a new run.",
    )  # fmt: skip


def _unbounded(charge: Charge, histories: Histories, owner: Limit) -> Refusal | None:
    """A refusal where releases about windows leave a limit for the whole site without meaning."""
    others = {*histories, *charge.blocks} - {WHOLE_SITE}
    if not (owner.protects_site and others):
        return None
    return _refuse(
        charge,
        RefusalReason.BUDGET,
        f"privacy blocks {_named(sorted(others))}: releases about their windows bound nothing for"
        " a whole site, and this site's own limit is for each site. Begin a ledger with data that"
        " no run has used, or set privacy.unit=reading or window on the site.",
    )


def _exhausted(charge: Charge, pairs: Sequence[tuple[str, Step]]) -> Refusal:
    """The refusal of ``charge``: each of ``pairs`` is a block and a limit that it would pass."""
    limit = pairs[0][1].limit
    steps = [step for _, step in pairs if step.limit == limit]
    names = list(dict.fromkeys(name for name, step in pairs if step.limit == limit))
    after, before = min((limit.spent(step.after), limit.spent(step.before)) for step in steps)
    if not any(limit.holds(step.before) for step in steps):
        problem = f"{limit.whose} limit of {limit.epsilon:g} is below what is spent already"
    else:
        problem = (
            f"this {'round' if charge.rounds == 1 else 'run'} would take them to {after:.4g} or"
            f" more, past {limit.whose} limit of {limit.epsilon:g}"
        )
    fresh = "Fresh data in new blocks, more noise, fewer steps"
    remedy = "More noise, fewer rounds" if charge.blocks == (WHOLE_SITE,) else fresh
    if limit.unit != charge.guarantee.unit:
        remedy += f", a limit for each {charge.guarantee.unit} (privacy.unit) on the site"
    return _refuse(
        charge,
        RefusalReason.BUDGET,
        f"privacy blocks {_named(names)}: have spent an epsilon of {before:.4g} or more for each"
        f" {limit.unit} at delta {limit.delta:g} ({ACCOUNTANTS[limit.accountant]}), and"
        f" {problem}. {remedy} or a higher privacy.epsilon would help.",
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_BLOCKS} more" if len(names) > _NAMED_BLOCKS else ""
    return ", ".join(names[:_NAMED_BLOCKS]) + more


def _refuse(charge: Charge, reason: RefusalReason, detail: str) -> Refusal:
    return Refusal(charge.site, charge.run, charge.round, reason, detail)
