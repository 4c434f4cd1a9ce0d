"""A site's part in an evaluation: debit the ledger, count, release.

Under DP the held-out blocks that the site declares are charged, durably, before a window is read. A
block without budget is left out, and a site with none left refuses. After the charge the answer is
always counts with noise: of no windows, where none can be used. Counts leave only through the
release gateway.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fl_client.ledger.ledger import Ledger
from fl_client.release.gateway import release_evaluation, release_refusal
from fl_client.release.noised_counts import LOSS_STEPS
from fl_client.site.held_out import charge_counts
from fl_client.site.private_data import no_windows, usable
from fl_client.site.shortfalls import Shortfall, Shortfalls
from fl_client.training import LocalTask
from fl_client.training.checks import check_counted, check_windows, refuse, text_of
from fl_common import params
from fl_common.errors import BadInput, StoreError
from fl_common.plan import Instruction
from fl_common.vocabulary import Evaluation, Refusal, RefusalReason, Windows
from models.evaluation import Evaluator
from models.kinds.details import details_of
from models.nets import build_net


def answer_evaluation(
    site: str,
    blocks: Callable[[], Sequence[str]],
    held_out: Callable[[], Windows],
    instruction: Instruction,
    ledger: Ledger,
    told: Shortfalls,
) -> Evaluation | Refusal:
    """Counts of the instruction's parameters on the ``held_out`` windows of ``site``.

    Exact under a public plan; with the evaluation plan's noise under DP; else a refusal. ``blocks``
    are those that may hold windows.
    """
    plan, round_ = instruction.plan, instruction.round
    task = LocalTask(plan, site, round_, instruction.parameters, no_windows(plan.task))
    what = f"evaluation/{params.digest(task.parameters)[:12]}"
    charged = check_counted(task) or charge_counts(site, blocks, instruction, what, ledger)
    if isinstance(charged, Refusal):
        return release_refusal(charged, instruction)
    answer = _public(task, held_out) if charged is None else _private(task, held_out, charged, told)
    if isinstance(answer, Refusal):
        return release_refusal(answer, instruction)
    return release_evaluation(answer, site, instruction)


def _private(
    task: LocalTask, held_out: Callable[[], Windows], charged: Sequence[str], told: Shortfalls
) -> Evaluation:
    """Exact counts over the blocks that were charged; they must not leave as they are."""
    windows = usable(task.site, held_out, task.plan.task, charged, told)
    try:
        return count(task, windows)
    except Exception as error:  # it is charged: the answer is that of a site without windows
        told.note_error(task.site, Shortfall.RAISED, error)
        return Evaluation(0.0, 0.0, 0.0)


def _public(task: LocalTask, held_out: Callable[[], Windows]) -> Evaluation | Refusal:
    try:
        task = replace(task, windows=held_out())
    except (BadInput, StoreError) as error:
        return refuse(task, RefusalReason.DATA, text_of(error))
    return check_windows(task, enough=False) or count(task, task.windows)


def count(task: LocalTask, windows: Windows) -> Evaluation:
    """Exact counts of the task's parameters on ``windows``; these must not leave as they are."""
    if len(windows) == 0:
        return Evaluation(0.0, 0.0, 0.0)
    plan = task.plan
    net, is_noised = build_net(plan.net, plan.task), plan.evaluation is not None
    evaluator = Evaluator(net, windows, plan.task, fixed=is_noised)
    result = evaluator(task.parameters)
    loss_N = result.loss_N.astype(np.float64)
    if plan.evaluation is not None:
        limit = plan.evaluation.loss_limit
        steps_N = np.nan_to_num(loss_N, nan=limit).clip(0.0, limit) * (LOSS_STEPS / limit)
        loss_N = np.rint(steps_N) * (limit / LOSS_STEPS)
    both = result.truth_N, result.predicted_N
    details = details_of(plan.task) if plan.details else None
    more = tuple(details.sums(*both).tolist()) if details else ()
    right = float(result.kind.scores(*both).sum())
    return Evaluation(right, float(len(windows)), float(loss_N.sum()), more)
