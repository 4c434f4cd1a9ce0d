"""No privacy, as a plan that says so."""

from dataclasses import dataclass
from typing import Literal

from fl_common.privacy.accounting import Weights


@dataclass(frozen=True)
class NoPrivacy:
    """Training without noise, said out loud: a plan without DP is this value, never ``None``."""

    weights: Weights
    unit: Literal["none"] = "none"
