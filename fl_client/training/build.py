"""The trainer of a configuration. Where a trainer clips and noises, it is one of this package's.

Sampling, clipping and noise of DP-SGD are in the trainer, so one that a person wrote could leave
them out, and the ledger, which charges by the plan, would not know. What a person may replace (net,
data, aggregator, optimiser) lies inside of them or comes after.
"""

import sys
from collections.abc import Mapping
from typing import Any

from fl_client.training import Trainer
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build

_OURS = {
    ("fl_client.training.cohort", "CohortTrainer"),
    ("fl_client.training.opacus", "OpacusTrainer"),
}


def build_trainer(node: Mapping[str, Any]) -> Trainer:
    """The trainer that ``node`` describes, which clips and noises as a plan says.

    Raises:
        InvalidConfiguration: it can't be built, or is none of this package's, nor may it be derived
            from one.
    """
    trainer: Trainer = build(node, at="training.trainer")
    kind = type(trainer)
    place = (kind.__module__, kind.__qualname__)
    if place not in _OURS or vars(sys.modules[place[0]])[place[1]] is not kind:
        raise InvalidConfiguration(
            f"trainer {node.get('_target_')}",
            "is not of this package, and with DP-SGD a trainer samples, clips and adds the noise",
            "Choose training=cohort or training=opacus; an own trainer can be run with"
            " privacy=none or privacy=site, and examined by: python -m simulate audit",
        )
    return trainer
