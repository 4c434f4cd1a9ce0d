"""Federated evaluation under DP: what a site may release about its held-out windows.

One evaluation releases three sums over the held-out windows: of their scores from 0 to 1 (1 for a
label that is right), how many there are, and the loss, clipped to ``loss_limit`` for each window.
With the loss in units of its limit, adding or removing one window moves the three by at most 1
each, so by ``SENSITIVITY`` in L2 norm. Each gets Gaussian noise of ``noise_multiplier`` times that:
one Gaussian mechanism without sampling (Dwork and Roth 2014, appendix A), which the run's
accountant composes.

With ``details`` it releases more sums, such as each label's (``models.kinds.details``): of these
and the scores, one window moves the weighted sums by sqrt(2), and so all of them by
``SENSITIVITY_WITH_DETAILS``. The price in epsilon is the same, and the noise as much larger.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from fl_common.configuration.rules import Rule, inside, require
from fl_common.privacy.accounting import EPSILON
from fl_common.privacy.mechanisms import NOISE_MULTIPLIER, SampleMechanism
from fl_common.privacy.unit import PrivacyPlan

SENSITIVITY = math.sqrt(3)
"""L2 norm of one window's part in (score, windows, loss over its limit), at most."""
SENSITIVITY_WITH_DETAILS = 2.0
"""The same with details, each times its weight."""

_SWITCH = Rule("must be true or false", lambda value: isinstance(value, bool))
_HELD_OUT = " (held out)"


@dataclass(frozen=True)
class EvaluationPlan:
    """The mechanism of one evaluation on the sites, under a plan that protects windows or readings.

    ``epsilon_limit`` holds for all evaluations that a block of held-out windows ever takes part in;
    delta, unit and accountant are those of the run's privacy plan. ``loss_limit`` is a
    window's loss at most.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    noise_multiplier: float
    loss_limit: float
    epsilon_limit: float
    details: bool = False
    """Whether details are released, too; earlier plans have none."""

    def __post_init__(self) -> None:
        require("evaluation.details", self.details, _SWITCH)
        require("evaluation.noise_multiplier", self.noise_multiplier, NOISE_MULTIPLIER)
        require("evaluation.loss_limit", self.loss_limit, inside("[0.001, 1000]"))
        require("evaluation.epsilon", self.epsilon_limit, EPSILON)

    @property
    def sensitivity(self) -> float:
        """L2 norm of one window's part in what is released, at most."""
        return SENSITIVITY_WITH_DETAILS if self.details else SENSITIVITY

    @property
    def noise_on_counts(self) -> float:
        """Standard deviation of the noise on a number of windows."""
        return self.noise_multiplier * self.sensitivity

    @property
    def noise_on_loss(self) -> float:
        """Standard deviation of the noise on the summed loss."""
        return self.noise_on_counts * self.loss_limit

    def charged_under(self, privacy: PrivacyPlan) -> PrivacyPlan | None:
        """The plan that one evaluation is charged under, with the unit and delta of ``privacy``.

        None if that unit does not define one, or does not charge this mechanism: then there is no
        noise for counts.
        """
        mechanism = SampleMechanism(
            clip_norm=self.sensitivity,
            noise_multiplier=self.noise_multiplier,
            sampling_rate=1.0,
            steps=1,
            expected_batch=1.0,  # sums are released as they are
        )
        charged = privacy.for_evaluation(mechanism, self.epsilon_limit)
        is_sound = charged is not None and charged.sample_mechanism == mechanism
        return charged if is_sound else None

    def to_fields(self) -> dict[str, Any]:
        """The plan as JSON values; details are told only where there are some."""
        fields = asdict(self)
        return fields if self.details else {k: v for k, v in fields.items() if k != "details"}


def held_out_block(block: str) -> str:
    """The ledger's name for the held-out windows of ``block``.

    Training never uses them, so they are a separate block.
    """
    return block + _HELD_OUT


def is_held_out(block: str) -> bool:
    """Whether ``block`` is a block of held-out windows."""
    return block.endswith(_HELD_OUT)
