"""A site's privacy policy: the limits that its owner sets on the plans of a server.

The sensing process validates the policy, too. Plans, and with them the accountant, are imported
only where a plan is checked.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fl_common.configuration.rules import SWITCH, one_of, require
from fl_common.errors import InvalidConfiguration

if TYPE_CHECKING:
    from fl_common.plan import RunPlan

UNITS = ("window", "reading", "site")
"""Units that an owner may protect, the weakest first: each holds those before it."""


@dataclass(frozen=True)
class PrivacyPolicy:
    """The limits of the site's owner, which no plan may exceed.

    ``epsilon`` at ``delta`` is the most that all plans together may release about one ``unit``: the
    ledger enforces it, whatever the plans' own limits. A plan that protects a weaker unit, or sets
    itself a higher limit, is refused at once. ``without_noise``: whether to accept plans that add
    no noise on the site (``privacy=none``, or noise by the server).

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    epsilon: float
    delta: float
    unit: str
    without_noise: bool

    def __post_init__(self) -> None:
        require("privacy.unit", self.unit, one_of(UNITS))
        require("privacy.without_noise", self.without_noise, SWITCH)
        for name, value, bound in (
            ("epsilon", self.epsilon, math.inf),
            ("delta", self.delta, 1.0),
        ):
            if not (isinstance(value, (int, float)) and 0 < value < bound):
                raise InvalidConfiguration(
                    f"privacy.{name}={value}",
                    f"must be a number above 0 and below {bound:g}",
                    "Set it to the most that the site's data may spend",
                )

    def check(self, plan: "RunPlan") -> None:
        """Raise InvalidConfiguration for a plan that exceeds a limit."""
        privacy, evaluation = plan.privacy, plan.evaluation
        by_server = privacy.noise_added_by == "server"
        if privacy.noise_added_by != "site" and not self.without_noise:
            raise InvalidConfiguration(
                f"a plan with privacy={privacy.unit}{' and noise by the server' * by_server}",
                "must have noise that this site adds itself, as its own configuration requires",
                "Set privacy=window for the run, or privacy.without_noise=true on the site",
            )
        if (promise := privacy.guarantee) is not None:
            self._check_unit(promise.unit, is_whole=privacy.update_mechanism is not None)
            _check_below("privacy.epsilon", promise.epsilon_limit, self.epsilon)
            _check_below("privacy.delta", promise.delta, self.delta)
        if evaluation is not None:
            _check_below("evaluation.epsilon", evaluation.epsilon_limit, self.epsilon)

    def _check_unit(self, unit: str, *, is_whole: bool) -> None:
        """Refuse a plan whose ``unit`` is weaker; one of another package holds a reading."""
        strength = UNITS.index("site" if is_whole else unit if unit in UNITS else "reading")
        if strength < UNITS.index(self.unit):
            raise InvalidConfiguration(
                f"a plan that protects each {unit}",
                f"must protect each {self.unit}, as this site's own privacy.unit={self.unit} says",
                f"Set privacy.unit={self.unit} for the run, or privacy.unit={unit} on the site",
            )


def _check_below(name: str, given: float, most: float) -> None:
    if given > most:
        raise InvalidConfiguration(
            f"a plan with {name}={given:g}",
            f"must not pass {most:g}, which this site's own configuration allows",
            f"Lower {name} of the run, or raise the limit on the site",
        )
