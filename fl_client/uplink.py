"""The one door out: every value that leaves a site passes one of these functions.

What leaves is declared by the plan. A clipped and noised update leaves as it is; an update's weight
is uniform unless the plan declares the number of windows public; exact counts of an evaluation
leave only then, too.
"""

from dataclasses import replace

from fl_client.site_privacy import protect_update
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import Instruction
from fl_common.privacy import NoPrivacy
from fl_common.site_privacy import SitePrivacyPlan
from fl_common.vocabulary import Evaluation, LocalUpdate, Refusal, RefusalReason


def release_update(update: LocalUpdate, instruction: Instruction) -> LocalUpdate | Refusal:
    """The update, or a refusal when it is not what the plan declares."""
    weights = instruction.plan.privacy.weights
    if weights == "uniform" and update.weight != 1.0:
        detail = f"the update's weight is {update.weight}; the plan declares uniform weights (1.0)"
    elif not params.same_shapes(update.delta, instruction.parameters):
        detail = "the update has other names or shapes than the global parameters"
    elif not params.is_finite(update.delta):
        detail = "the update holds NaN or infinity; lower training.learning_rate"
    else:
        return _protected(update, instruction)
    return Refusal(update.site, update.run, update.round, RefusalReason.TRAINING, detail)


def _protected(update: LocalUpdate, instruction: Instruction) -> LocalUpdate | Refusal:
    """Under a site-level plan the update clipped and noised; as it is under any other."""
    if not isinstance(instruction.plan.privacy, SitePrivacyPlan):
        return replace(update, within_clip_norm=None)
    try:
        return protect_update(update, instruction)
    except PrivacyViolation as error:
        return Refusal(update.site, update.run, update.round, RefusalReason.PRIVACY, str(error))


def release_evaluation(
    evaluation: Evaluation, site: str, instruction: Instruction
) -> Evaluation | Refusal:
    """Exact counts where the plan says that they are public, else a refusal."""
    plan = instruction.plan
    if isinstance(plan.privacy, NoPrivacy) and plan.privacy.weights == "examples":
        return evaluation
    detail = (
        "exact counts of held-out windows are not public under this plan;"
        " evaluate on the server's own test set, or declare privacy=none"
    )
    return Refusal(site, plan.run, instruction.round, RefusalReason.PLAN, detail)
