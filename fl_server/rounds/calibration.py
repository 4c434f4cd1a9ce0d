"""The plans of privacy and of evaluations on the sites: noise, by how often there is some."""

import math
from dataclasses import replace

from fl_common.configuration.rules import Config, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import calibrate_noise
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.registry import plan_class
from fl_common.privacy.unit import PlanningFacts, PrivacyPlan
from fl_common.vocabulary import Task
from models.kinds.details import details_of

_MOST_USES = 1000


def privacy_plan(node: Config, facts: PlanningFacts) -> PrivacyPlan:
    """The plan that ``privacy`` asks for.

    Raises:
        InvalidConfiguration: a value that it lacks, or that is outside its range.
    """
    try:
        return plan_class(node["unit"]).from_config(node, facts)
    except KeyError as error:
        raise InvalidConfiguration(
            f"privacy.unit={node['unit']}",
            f"needs privacy.{error.args[0]}, which is not set",
            "Choose the unit by its group, for example privacy=window",
        ) from error


def uses_of(node: Config) -> int:
    """The runs that a block of data may take part in, which the noise is calibrated to.

    Raises:
        InvalidConfiguration: not a number of runs, or one beside a noise that is set.
    """
    if (uses := node.get("uses")) is None:
        return 1
    require("privacy.uses", uses, whole(1, _MOST_USES))
    if node["noise_multiplier"] is not None:
        raise InvalidConfiguration(
            f"privacy.uses={uses}",
            f"finds the noise, and privacy.noise_multiplier={node['noise_multiplier']} sets it",
            "Set one of them to null",
        )
    return int(uses)


def evaluation_plan(
    node: Config, task: Task, privacy: PrivacyPlan, rounds: int, uses: int, *, compares: bool
) -> EvaluationPlan | None:
    """The plan for counts on the sites.

    Its noise is calibrated to all evaluations of as many runs as a block may take part in.
    """
    if (every := node["every"]) is None:
        return None
    require("evaluation.every", every, whole(1))
    noise = node["noise_multiplier"]
    details = node["details"] and details_of(task) is not None
    limits = node["loss_limit"], node["epsilon"], details
    plan = EvaluationPlan(1.0 if noise is None else noise, *limits)
    charged = plan.charged_under(privacy)
    if charged is None or charged.guarantee is None:
        _check_public(privacy)
        return None
    if noise is not None:
        return plan
    promise, times = charged.guarantee, uses * (math.ceil(rounds / every) + compares)
    most = promise.epsilon_limit, promise.delta
    noise = calibrate_noise(*most, 1.0, times, promise.accountant, promise.windows_per_unit)
    return replace(plan, noise_multiplier=noise)


def _check_public(privacy: PrivacyPlan) -> None:
    if privacy.counts_are_public:
        return
    raise InvalidConfiguration(
        "evaluation=federated",
        "needs privacy=window, whose noise it can add, or a plan that makes exact counts public",
        "Set evaluation=central, privacy=window or privacy=none",
    )
