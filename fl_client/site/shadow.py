"""Release how a candidate does beside production on the held-out windows, after a debit.

Three sums over these windows leave: seen, agreed with production, failed. They have the evaluation
plan's mechanism, charge and limit (``release/noised_counts.py`` says why). Nothing leaves unless
the plan allows it. As in an evaluation, the charge comes before a look at the windows, and after it
the answer is always counts with noise.
"""

from collections.abc import Callable, Sequence

from fl_client.components.comparison import Comparison, ShadowObservation
from fl_client.ledger.ledger import Ledger
from fl_client.release.gateway import release_refusal, release_shadow
from fl_client.site.held_out import charge_counts, refuse
from fl_client.site.private_data import usable
from fl_client.site.shortfalls import Shortfall, Shortfalls
from fl_client.training.checks import text_of
from fl_common.errors import BadInput, StoreError
from fl_common.plan import Instruction
from fl_common.vocabulary import Refusal, RefusalReason, ShadowCounts

Find = Callable[[str | None], Comparison | None]
"""The comparison of a candidate (a digest) with production; None where the site lacks one."""


def answer_shadow(
    site: str,
    blocks: Callable[[], Sequence[str]],
    find: Find,
    instruction: Instruction,
    ledger: Ledger,
    told: Shortfalls,
) -> ShadowCounts | Refusal:
    """How the instruction's candidate does, as ``instruction.plan`` lets it leave.

    ``blocks`` are those that may hold held-out windows.
    """
    what = f"shadow/{str(instruction.candidate)[:12]}"
    charged = charge_counts(site, blocks, instruction, what, ledger)
    if isinstance(charged, Refusal):
        return release_refusal(charged, instruction)
    answer = (
        _public(site, find, instruction)
        if charged is None
        else _private(site, find, instruction, charged, told)
    )
    if isinstance(answer, Refusal):
        return release_refusal(answer, instruction)
    return release_shadow(answer, site, instruction)


def _private(
    site: str, find: Find, instruction: Instruction, charged: Sequence[str], told: Shortfalls
) -> ShadowCounts:
    """Exact sums over the days that were charged; they must not leave as they are."""
    try:
        comparison = find(instruction.candidate)
        if comparison is None:
            told.note(site, Shortfall.EMPTY, "the candidate is not beside production here")
            return _sums([])
        task = instruction.plan.task
        windows = usable(site, comparison.windows, task, charged, told, labelled=False)
        return _sums(comparison.compare(windows.values) if len(windows) else [])
    except Exception as error:  # it is charged: the answer is that of a site without windows
        told.note_error(site, Shortfall.RAISED, error)
        return _sums([])


def _public(site: str, find: Find, instruction: Instruction) -> ShadowCounts | Refusal:
    try:
        comparison = find(instruction.candidate)
        if comparison is None:
            detail = "the site does not have this candidate beside production"
            return refuse(site, instruction, RefusalReason.DATA, detail)
        windows = comparison.windows()
        return _sums(comparison.compare(windows.values) if len(windows) else [])
    except (BadInput, StoreError) as error:
        return refuse(site, instruction, RefusalReason.DATA, text_of(error))


def _sums(seen: Sequence[ShadowObservation]) -> ShadowCounts:
    return ShadowCounts(
        windows=float(len(seen)),
        agreed=float(sum(one.agreed for one in seen)),
        failed=float(sum(one.failed for one in seen)),
    )
