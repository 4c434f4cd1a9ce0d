"""A site's part in an evaluation: debit the ledger, count, release.

The held-out windows are charged block by block, durably, before the model sees one of them; a block
without budget is left out, and a site with none left refuses. Counts leave only through the release
gateway.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fl_client.ledger.ledger import Charge, Ledger, refuse_changed_plan
from fl_client.release.gateway import NOT_PUBLIC, is_public, release_evaluation, release_refusal
from fl_client.release.noised_counts import LOSS_STEPS
from fl_client.training import LocalTask
from fl_client.training.checks import check_evaluation, refuse, text_of
from fl_common import params
from fl_common.errors import BadInput, LedgerError, StoreError
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import held_out_block
from fl_common.vocabulary import Evaluation, Refusal, RefusalReason, Windows
from models.evaluation import Evaluator
from models.nets import build_net


def answer_evaluation(
    site: str, held_out: Callable[[], Windows], instruction: Instruction, ledger: Ledger
) -> Evaluation | Refusal:
    """Counts of the instruction's parameters on the ``held_out`` windows of ``site``.

    Exact under a public plan; with the evaluation plan's noise under DP; else a refusal.
    """
    plan, round_ = instruction.plan, instruction.round
    try:
        task = LocalTask(plan, site, round_, instruction.parameters, held_out())
        answer = _counted(task, ledger)
    except (BadInput, StoreError) as error:
        answer = Refusal(site, plan.run, round_, RefusalReason.DATA, text_of(error))
    if isinstance(answer, Refusal):
        return release_refusal(answer, instruction)
    return release_evaluation(answer, site, instruction)


def _counted(task: LocalTask, ledger: Ledger) -> Evaluation | Refusal:
    """Exact counts over the blocks that were charged; they must not leave as they are."""
    if (refusal := _why_not(task)) or (refusal := check_evaluation(task)):
        return refusal
    blocks = _charged(task, ledger)
    if isinstance(blocks, Refusal):
        return blocks
    return count(task, _of_blocks(task.windows, blocks))


def _why_not(task: LocalTask) -> Refusal | None:
    """A refusal if there is nothing to count or the plan has no noise for counts."""
    if not (is_public(task.plan) or task.plan.evaluation):
        return refuse(task, RefusalReason.PLAN, NOT_PUBLIC)
    if not (is_public(task.plan) or len(task.windows)):
        return refuse(task, RefusalReason.DATA, "the site has no held-out windows")
    return None


def _charged(task: LocalTask, ledger: Ledger) -> Sequence[str] | Refusal:
    """The blocks to count; those of a plan with noise are charged when this returns."""
    plan, blocks = task.plan, task.windows.blocks
    try:
        if ledger.plan_of(task.site, plan.run) not in (None, plan.digest()):
            return refuse_changed_plan(task.site, plan.run, task.round)
        if is_public(plan):
            return blocks
        (debit,) = ledger.debit([_charge(task)])
    except LedgerError as error:
        return refuse(task, RefusalReason.LEDGER, str(error))
    if isinstance(debit, Refusal):
        return replace(debit, run=plan.run)
    return [block for block in blocks if held_out_block(block) in debit]


def _charge(task: LocalTask) -> Charge:
    """The charge of one evaluation; each evaluated model is a separate release."""
    plan, windows = task.plan, task.windows
    assert plan.evaluation is not None
    privacy = plan.evaluation.charged_under(plan.privacy)
    assert privacy is not None  # a run's plan has no evaluation otherwise
    counts_B = np.bincount(windows.block_of, minlength=len(windows.blocks))
    return Charge(
        site=task.site,
        run=f"{plan.run}/evaluation/{params.digest(task.parameters)[:12]}",
        round=task.round,
        plan=plan.digest(),
        privacy=privacy,
        blocks=tuple(map(held_out_block, windows.blocks)),
        windows=tuple(counts_B.tolist()),
        repeatable=plan.seed is not None,
    )


def _of_blocks(windows: Windows, blocks: Sequence[str]) -> Windows:
    is_open_B = np.isin(windows.blocks, blocks)
    return windows.take(is_open_B[windows.block_of])


def count(task: LocalTask, windows: Windows) -> Evaluation:
    """Exact counts of the task's parameters on ``windows``; these must not leave as they are."""
    if len(windows) == 0:
        return Evaluation(0.0, 0.0, 0.0)
    plan = task.plan
    evaluator = Evaluator(build_net(plan.net, plan.task), windows, len(plan.task.labels))
    result = evaluator(task.parameters)
    loss_N = result.loss_N.astype(np.float64)
    if plan.evaluation is not None:
        limit = plan.evaluation.loss_limit
        steps_N = np.nan_to_num(loss_N, nan=limit).clip(0.0, limit) * (LOSS_STEPS / limit)
        loss_N = np.rint(steps_N) * (limit / LOSS_STEPS)
    right = float((result.truth_N == result.predicted_N).sum())
    return Evaluation(right, float(len(windows)), float(loss_N.sum()))
