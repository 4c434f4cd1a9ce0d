"""The charge for counts of held-out windows, which is made before a window is read."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.gateway import NOT_PUBLIC, is_public
from fl_common.errors import LedgerError
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import held_out_block
from fl_common.vocabulary import Refusal, RefusalReason


def charge_counts(
    site: str,
    blocks: Callable[[], Sequence[str]],
    instruction: Instruction,
    what: str,
    ledger: Ledger,
) -> Sequence[str] | Refusal | None:
    """The blocks that may be counted, charged when this returns; None: all, by a public plan.

    ``blocks`` are all that the site may have, by their own names; ``what`` says what is counted,
    each a release of its own. A refusal depends on the plan and the ledger alone.
    """
    plan = instruction.plan
    if not (is_public(plan) or plan.evaluation):
        return refuse(site, instruction, RefusalReason.PLAN, NOT_PUBLIC)
    try:
        if ledger.plan_of(site, plan.run) not in (None, plan.digest()):
            return refuse_changed_plan(site, plan.run, instruction.round)
        if is_public(plan):
            return None
        names = blocks()
        (debit,) = ledger.debit([_charge(site, names, instruction, what)])
    except LedgerError as error:
        return refuse(site, instruction, RefusalReason.LEDGER, str(error))
    if isinstance(debit, Refusal):
        return replace(debit, run=plan.run)
    return [name for name in names if held_out_block(name) in debit]


def _charge(site: str, blocks: Sequence[str], instruction: Instruction, what: str) -> Charge:
    plan = instruction.plan
    assert plan.evaluation is not None
    privacy = plan.evaluation.charged_under(plan.privacy)
    assert privacy is not None  # a run's plan has no evaluation otherwise
    return Charge(
        site=site,
        run=f"{plan.run}/{what}",
        round=instruction.round,
        plan=plan.digest(),
        privacy=privacy,
        blocks=tuple(map(held_out_block, blocks)),
        repeatable=plan.seed is not None,
    )


def refuse(site: str, instruction: Instruction, reason: RefusalReason, detail: str) -> Refusal:
    """The refusal of ``instruction`` by ``site``."""
    return Refusal(site, instruction.plan.run, instruction.round, reason, detail)
