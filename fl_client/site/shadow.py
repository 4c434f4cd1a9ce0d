"""Release how a candidate does beside production on the held-out windows, after a debit.

Three sums over these windows leave: seen, agreed with production, failed. They have the evaluation
plan's mechanism, charge and limit (``release/noised_counts.py`` says why). Nothing leaves unless
the plan allows it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fl_client.components.comparison import Comparison
from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.gateway import NOT_PUBLIC, is_public, release_refusal, release_shadow
from fl_common.errors import BadInput, LedgerError, StoreError
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import held_out_block
from fl_common.vocabulary import Refusal, RefusalReason, ShadowCounts, Windows


def answer_shadow(
    site: str, comparison: Comparison | None, instruction: Instruction, ledger: Ledger
) -> ShadowCounts | Refusal:
    """How the instruction's candidate does, as ``instruction.plan`` lets it leave."""
    try:
        answer = _summed(site, comparison, instruction, ledger)
    except (BadInput, StoreError) as error:
        answer = _refusal(site, instruction, RefusalReason.DATA, str(error))
    if isinstance(answer, Refusal):
        return release_refusal(answer, instruction)
    return release_shadow(answer, site, instruction)


def _summed(
    site: str, comparison: Comparison | None, instruction: Instruction, ledger: Ledger
) -> ShadowCounts | Refusal:
    """Exact sums over the days that were charged; they must not leave as they are."""
    plan = instruction.plan
    private = plan.evaluation is not None
    if not (is_public(plan) or private):
        return _refusal(site, instruction, RefusalReason.PLAN, NOT_PUBLIC)
    if comparison is None:
        detail = "the site does not have this candidate beside production"
        return _refusal(site, instruction, RefusalReason.DATA, detail)
    windows = comparison.windows()
    if private and not len(windows):
        return _refusal(site, instruction, RefusalReason.DATA, "the site has no held-out window")
    blocks = _charged(site, windows, instruction, ledger)
    if isinstance(blocks, Refusal):
        return blocks
    open_windows = windows.take(np.isin(windows.blocks, blocks)[windows.block_of])
    seen = comparison.compare(open_windows.values) if len(open_windows) else []
    return ShadowCounts(
        windows=float(len(seen)),
        agreed=float(sum(one.agreed for one in seen)),
        failed=float(sum(one.failed for one in seen)),
    )


def _charged(
    site: str, windows: Windows, instruction: Instruction, ledger: Ledger
) -> Sequence[str] | Refusal:
    """The days to count; those of a plan with noise are charged when this returns."""
    plan = instruction.plan
    try:
        if ledger.plan_of(site, plan.run) not in (None, plan.digest()):
            return refuse_changed_plan(site, plan.run, instruction.round)
        if is_public(plan):
            return windows.blocks
        (debit,) = ledger.debit([_charge(site, windows, instruction)])
    except LedgerError as error:
        return _refusal(site, instruction, RefusalReason.LEDGER, str(error))
    if isinstance(debit, Refusal):
        return replace(debit, run=plan.run)
    return [day for day in windows.blocks if held_out_block(day) in debit]


def _charge(site: str, windows: Windows, instruction: Instruction) -> Charge:
    """The charge for one release about each day's held-out windows."""
    plan = instruction.plan
    assert plan.evaluation is not None
    privacy = plan.evaluation.charged_under(plan.privacy)
    assert privacy is not None  # a run's plan has no evaluation otherwise
    counts_B = np.bincount(windows.block_of, minlength=len(windows.blocks))
    return Charge(
        site=site,
        run=f"{plan.run}/shadow/{str(instruction.candidate)[:12]}",
        round=instruction.round,
        plan=plan.digest(),
        privacy=privacy,
        blocks=tuple(map(held_out_block, windows.blocks)),
        windows=tuple(counts_B.tolist()),
        repeatable=plan.seed is not None,
    )


def _refusal(site: str, instruction: Instruction, reason: RefusalReason, detail: str) -> Refusal:
    return Refusal(site, instruction.plan.run, instruction.round, reason, detail)
