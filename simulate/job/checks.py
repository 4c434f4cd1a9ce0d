"""Early checks: refuses before the first round what every site would refuse in it."""

from collections.abc import Sequence

from fl_client.training.build import build_trainer
from fl_client.training.private_nets import why_not_under
from fl_client.training.trial import why_not_trainable
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Task
from models.nets import Net
from simulate.world import TestSet


def check_trainer(node: Config, privacy: PrivacyPlan) -> None:
    """Raise if the trainer of ``node`` can't be built, or with DP-SGD is none of ours."""
    if privacy.sample_mechanism is None:
        build(node, at="training.trainer")
    else:
        build_trainer(node)


def check_net(net: Net, privacy: PrivacyPlan, task: Task) -> None:
    """Raise if ``net`` can't be trained on windows of ``task`` under ``privacy``."""
    if problem := why_not_trainable(net, task) or why_not_under(privacy, net, task):
        raise problem


def check_held_out(config: Config, sites: Sequence[str], test: TestSet) -> None:
    """Raise if the sites should evaluate on held-out windows that none of them has."""
    if config["evaluation"]["every"] is None or any(name in sites for name in test.groups):
        return
    raise InvalidConfiguration(
        f"evaluation=federated with a test set of {len(test.groups)} other groups than the sites",
        "needs windows that the sites hold out from training",
        "Set evaluation=central, or use task=wearables or your own data without a column split",
    )
