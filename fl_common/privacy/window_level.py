"""Sample-level privacy: what is protected is a window, or a reading."""

import math
from dataclasses import dataclass
from typing import Literal

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    ACCOUNTANTS,
    AccountantName,
    Spend,
    Weights,
    check_delta,
    check_epsilon,
)


@dataclass(frozen=True)
class PrivacyPlan:
    """Sample-level DP-SGD (Abadi et al. 2016): a window, or a reading, is what is protected.

    Where windows overlap, a reading is part of up to ``windows_per_reading`` windows, and is
    protected as that many windows are together. ``unit`` is what ``epsilon_limit`` applies to.

    ``steps`` is the number of DP-SGD steps in one round; ``epsilon_limit`` holds for everything
    that a block of a site's data ever takes part in.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    delta: float
    epsilon_limit: float
    accountant: AccountantName
    weights: Weights
    unit: Literal["window", "reading"]
    windows_per_reading: int

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon_limit)
        check_delta(self.delta)
        named = ", ".join(ACCOUNTANTS)
        rules = (
            ("clip_norm", 0 < self.clip_norm < math.inf, "must be a finite number above 0"),
            (
                "noise_multiplier",
                0 < self.noise_multiplier < math.inf,
                "must be a finite number above 0 (use privacy=none to train without noise)",
            ),
            ("sampling_rate", 0 < self.sampling_rate <= 1, "must lie in (0, 1]"),
            ("steps", self.steps >= 1, "must be at least 1"),
            ("unit", self.unit in ("window", "reading"), "must be window or reading"),
            ("windows_per_reading", self.windows_per_reading >= 1, "must be at least 1"),
            ("accountant", self.accountant in ACCOUNTANTS, f"must be one of {named}"),
            (
                "weights",
                self.weights == "uniform",
                "must be uniform under DP: an exact example count is an unnoised release",
            ),
        )
        for name, holds, rule in rules:
            if not holds:
                value = getattr(self, name)
                raise InvalidConfiguration(
                    f"privacy.{name}={value}", rule, f"Set privacy.{name} to such a value"
                )

    @property
    def spend_per_round(self) -> Spend:
        """The accountant's event for one round of this plan."""
        return Spend(self.noise_multiplier, self.sampling_rate, self.steps)

    @property
    def windows_per_unit(self) -> int:
        """Windows that one protected unit is part of."""
        return self.windows_per_reading if self.unit == "reading" else 1
