"""The plan of local training, and the learning rate that a configuration leaves to a rule."""

from dataclasses import fields

from fl_common.configuration.keys import check_known
from fl_common.configuration.rules import Config, optional, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.plan import TrainingPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Task
from fl_server.rounds.sampling import sites_of
from models.nets.rates import AUTO, Rate, rate_for


def training_of(node: Config) -> TrainingPlan:
    """The plan by ``training``; its learning rate means nothing yet where a rule decides it.

    Raises:
        InvalidConfiguration: a value outside its range, or the rule for another optimiser than its
            own.
    """
    given = {name: value for name, value in node.items() if name != "trainer"}
    check_known("training.", given, [field.name for field in fields(TrainingPlan)])
    if given.get("learning_rate") != AUTO:
        return TrainingPlan(**given)
    plan = TrainingPlan(**{**given, "learning_rate": 1.0})
    if plan.optimizer != "sgd":
        raise InvalidConfiguration(
            f"training.learning_rate={AUTO} with training.optimizer={plan.optimizer}",
            "is a rule for sgd",
            "Set training.learning_rate=0.001",
        )
    return plan


def rate_of(config: Config, task: Task, privacy: PrivacyPlan, sites: int) -> Rate | None:
    """The learning rate by the rule in a fleet of ``sites``; None where ``config`` has a number.

    Raises:
        InvalidConfiguration: no number of sites in a round.
    """
    if config["training"]["learning_rate"] != AUTO:
        return None
    require("clients_per_round", config["clients_per_round"], optional(whole(1)))
    asked = config["clients_per_round"] or sites_of(config["strategy"]["fraction"], sites)
    return rate_for(task, privacy, config["rounds"], asked)
