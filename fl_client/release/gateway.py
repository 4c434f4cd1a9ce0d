"""The release gateway: every value that leaves a site passes one of these functions.

The plan declares what leaves. A clipped and noised update leaves as it is. Only a public plan
releases the number of windows as an update's weight (else weights are uniform), the exact counts of
an evaluation (else noised ones, if the plan has noise for them), and the text of a refusal, which
may quote counts, names or values. Under DP a refusal tells nothing of the data by its being there,
either: it depends on the plan, the parameters and the ledger, which is charged before the site
looks at its data (``site/participation.py``), or says that the mechanism does not run. Which
components run leaves if the site's own configuration allows it, and so does whether the box is well
(``health``).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fl_client.components.inventory import InstalledComponent
from fl_client.release.noised_counts import protect_counts, protect_shadow
from fl_client.release.site_level import protect_update
from fl_client.training.prepared import net_for
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import (
    Evaluation,
    LocalUpdate,
    Parameters,
    Refusal,
    RefusalReason,
    RunningComponents,
    ShadowCounts,
)
from models.nets import trained_part

_logger = logging.getLogger(__name__)

SENTENCES: Mapping[RefusalReason, str] = {
    RefusalReason.BUDGET: (
        "every block of the site's data has reached the limit on epsilon. Fresh data in new blocks,"
        " more noise, fewer steps or a higher privacy.epsilon would help; the site's ledger names"
        " the blocks."
    ),
    RefusalReason.DATA: (
        "the site's windows can't be read or do not fit the task, or there are none."
        " Correct them as the site's log says, or leave the site out."
    ),
    RefusalReason.PLAN: (
        "the plan breaks a rule of the site, differs from the one that this run began with, or asks"
        " for exact counts that are not public. Run server and sites with the same version, lower"
        " privacy.epsilon or privacy.delta to what the site allows, set evaluation=federated for"
        " noised counts, or begin a new run; the log names the rule."
    ),
    RefusalReason.PRIVACY: (
        "the DP mechanism could not be set up for this net, or did not run as planned; nothing"
        " leaves without it. Use a net that DP-SGD can train (GroupNorm, not BatchNorm); the site's"
        " log says more."
    ),
    RefusalReason.TRAINING: (
        "training raised an error, or its update was NaN or infinite. Lower"
        " training.learning_rate; the site's log says more."
    ),
    RefusalReason.LEDGER: (
        "the site's privacy ledger can't be read, written or trusted, and nothing is trained"
        " without it. Look at the file that the site's log names, and at the room on its disk."
    ),
}
"""The text of a refusal whose own text may not leave; the same on every site."""

NOT_PUBLIC = (
    "exact counts of held-out windows are not public under this plan, which has no noise for them;"
    " set evaluation=federated, or evaluate on the server's own test set"
)


def is_public(plan: RunPlan) -> bool:
    """Whether ``plan`` declares exact counts, and texts that may quote data, public."""
    return plan.privacy.counts_are_public


def release_update(update: LocalUpdate, instruction: Instruction) -> LocalUpdate | Refusal:
    """The update, or a refusal if it is not what the plan declares."""
    weights = instruction.plan.privacy.weights
    if weights == "uniform" and update.weight != 1.0:
        detail = f"the update's weight is {update.weight}; the plan declares uniform weights (1.0)"
    elif not params.same_shapes(update.delta, _trained_part(instruction)):
        detail = "the update has other names or shapes than the trained parameters"
    elif not params.is_finite(update.delta):
        detail = "the update holds NaN or infinity; lower training.learning_rate"
    else:
        return _protected(update, instruction)
    is_private = instruction.plan.privacy.guarantee is not None  # then the trainer is at fault
    reason = RefusalReason.PRIVACY if is_private else RefusalReason.TRAINING
    refusal = Refusal(update.site, update.run, update.round, reason, detail)
    return release_refusal(refusal, instruction)


def _trained_part(instruction: Instruction) -> Parameters:
    return trained_part(net_for(instruction.plan), instruction.parameters)


def _protected(update: LocalUpdate, instruction: Instruction) -> LocalUpdate | Refusal:
    """The update, clipped and noised under a site-level plan; unchanged under any other."""
    if instruction.plan.privacy.update_mechanism is None:
        return replace(update, within_clip_norm=None)
    try:
        return protect_update(update, instruction)
    except PrivacyViolation as error:
        reason = RefusalReason.PRIVACY
        refusal = Refusal(update.site, update.run, update.round, reason, str(error))
        return release_refusal(refusal, instruction)


def release_refusal(refusal: Refusal, instruction: Instruction) -> Refusal:
    """The refusal with its own text if the plan is public, else with its reason's standard text.

    Its own text is in the site's log either way, at level INFO.
    """
    reason = refusal.reason
    _logger.info(
        "run %s, round %s: site %s refuses (%s): %s",
        refusal.run,
        refusal.round,
        refusal.site,
        reason,
        refusal.detail,
    )
    if is_public(instruction.plan) and reason != RefusalReason.LEDGER:  # its text has paths
        return refusal
    return replace(refusal, detail=SENTENCES[reason])


def release_evaluation(
    evaluation: Evaluation, site: str, instruction: Instruction
) -> Evaluation | Refusal:
    """Exact counts under a public plan, noised ones under a plan with noise for them.

    A refusal under any other plan. The ledger must have been charged for noised counts.
    """
    return _release_counts(evaluation, protect_counts, site, instruction)


def release_shadow(
    counts: ShadowCounts, site: str, instruction: Instruction
) -> ShadowCounts | Refusal:
    """As ``release_evaluation``, for the shadow counts of a candidate."""
    return _release_counts(counts, protect_shadow, site, instruction)


def release_running(site: str, runs: Sequence[InstalledComponent] | None) -> RunningComponents:
    """The components that run on ``site``; unknown unless its configuration discloses them.

    A version that was rolled back is missing from them, and a rollback depends on private data. So
    only the site can allow this, and no plan of the server.
    """
    if runs is None:
        return RunningComponents(site, told=False)
    on_trial = tuple(one.component for one in runs if one.on_trial)
    return RunningComponents(site, True, tuple(one.component for one in runs), on_trial)


def release_ledger_head(head: str | None) -> str | None:
    """A digest of the site's ledger, for the server to remember.

    It is random to everyone who lacks the ledger, as each line has a salt, and comes with every
    answer that was charged, so that it tells nothing.
    """
    return head


_Counts = TypeVar("_Counts", Evaluation, ShadowCounts)


def _release_counts(
    counts: _Counts,
    protect: Callable[[_Counts, str, Instruction], _Counts],
    site: str,
    instruction: Instruction,
) -> _Counts | Refusal:
    plan = instruction.plan
    if is_public(plan):
        return counts
    if plan.evaluation is None:
        refusal = Refusal(site, plan.run, instruction.round, RefusalReason.PLAN, NOT_PUBLIC)
        return release_refusal(refusal, instruction)
    try:
        return protect(counts, site, instruction)
    except PrivacyViolation as error:
        refusal = Refusal(site, plan.run, instruction.round, RefusalReason.PRIVACY, str(error))
        return release_refusal(refusal, instruction)
