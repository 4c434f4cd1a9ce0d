"""Release how a candidate did in the shadow of production, after a debit to the ledger.

Four sums over the held-out windows leave: seen, agreed with production, failed, late. They have the
evaluation plan's mechanism, charge and limit (``release/noised_counts.py`` says why). Nothing
leaves unless the plan allows it.
"""

from collections.abc import Collection
from dataclasses import replace

from fl_client.components.counts import ShadowSummary, Sums
from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.gateway import NOT_PUBLIC, is_public, release_refusal, release_shadow
from fl_common.errors import LedgerError
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import held_out_block
from fl_common.vocabulary import Refusal, RefusalReason, ShadowCounts


def answer_shadow(
    site: str, counts: ShadowSummary, instruction: Instruction, ledger: Ledger
) -> ShadowCounts | Refusal:
    """The counts of the instruction's candidate, as ``instruction.plan`` lets them leave."""
    answer = _summed(site, counts, instruction, ledger)
    if isinstance(answer, Refusal):
        return release_refusal(answer, instruction)
    return release_shadow(answer, site, instruction)


def _summed(
    site: str, counts: ShadowSummary, instruction: Instruction, ledger: Ledger
) -> ShadowCounts | Refusal:
    """Exact sums over the days that were charged; they must not leave as they are."""
    plan = instruction.plan

    def refusal(reason: RefusalReason, detail: str) -> Refusal:
        return Refusal(site, plan.run, instruction.round, reason, detail)

    private = plan.evaluation is not None
    if not (is_public(plan) or private):
        return refusal(RefusalReason.PLAN, NOT_PUBLIC)
    if counts.candidate is None or counts.candidate != instruction.candidate:
        return refusal(
            RefusalReason.DATA, "the site does not run this candidate in the shadow of production"
        )
    days = counts.held_out
    if private and not days:
        return refusal(RefusalReason.DATA, "the candidate has not seen a held-out window yet")
    try:
        if ledger.plan_of(site, plan.run) not in (None, plan.digest()):
            return refuse_changed_plan(site, plan.run, instruction.round)
        if not is_public(plan):
            (debit,) = ledger.debit([_charge(site, counts, instruction)])
            if isinstance(debit, Refusal):
                return replace(debit, run=plan.run)
            days = {day: sums for day, sums in days.items() if held_out_block(day) in debit}
    except LedgerError as error:
        return refusal(RefusalReason.LEDGER, str(error))
    return _sum(days.values())


def _charge(site: str, counts: ShadowSummary, instruction: Instruction) -> Charge:
    """The charge for one release about each day's held-out windows."""
    plan = instruction.plan
    assert plan.evaluation is not None
    privacy = plan.evaluation.charged_under(plan.privacy)
    assert privacy is not None  # a run's plan has no evaluation otherwise
    return Charge(
        site=site,
        run=f"{plan.run}/shadow/{str(counts.candidate)[:12]}",
        round=instruction.round,
        plan=plan.digest(),
        privacy=privacy,
        blocks=tuple(map(held_out_block, counts.held_out)),
        windows=tuple(sums.windows for sums in counts.held_out.values()),
        repeatable=plan.seed is not None,
    )


def _sum(sums: Collection[Sums]) -> ShadowCounts:
    return ShadowCounts(
        windows=float(sum(one.windows for one in sums)),
        agreed=float(sum(one.agreed for one in sums)),
        failed=float(sum(one.failed for one in sums)),
        late=float(sum(one.late for one in sums)),
    )
