"""The plan without privacy."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

from fl_common.configuration.rules import Config, one_of, require
from fl_common.privacy.accounting import Weights
from fl_common.privacy.unit import PlanningFacts, PrivacyPlan


@dataclass(frozen=True)
class NoPrivacy(PrivacyPlan):
    """Training without noise: a plan without DP is this value, never ``None``.

    Raises:
        InvalidConfiguration: unknown ``weights``.
    """

    weights: Weights
    unit: Literal["none"] = "none"

    def __post_init__(self) -> None:
        require("privacy.weights", self.weights, one_of(get_args(Weights)))

    @classmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        """See ``PrivacyPlan``."""
        return cls(weights=node["weights"])

    @property
    def guarantee(self) -> None:
        """None: nothing is promised."""
        return None

    @property
    def sample_mechanism(self) -> None:
        """None: no step is clipped or noised."""
        return None

    @property
    def update_mechanism(self) -> None:
        """None: no update is clipped or noised."""
        return None

    def for_survey(self, noise_multiplier: float) -> Self:
        """Itself: a survey has no noise either."""
        return self
