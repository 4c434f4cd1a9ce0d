"""The privacy plan, and the accounting of what it spends.

One frozen plan builds the mechanism on the site and the accountant's event everywhere (DESIGN:
"privacy is one plan"). The accountants are Opacus': RDP (Mironov 2017, with the subsampled Gaussian
of Mironov, Talwar and Zhang 2019 and the conversion to (epsilon, delta) of Balle et al. 2020) and
PRV (Gopi, Lee and Wutschitz 2021, numerical composition). Opacus is imported on first use: a
process that only reads plans does not pay for it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from fl_common.errors import InvalidConfiguration

AccountantName = Literal["rdp", "prv"]
Weights = Literal["uniform", "examples"]

ACCOUNTANTS: Mapping[str, str] = {
    "rdp": "RDP (Mironov 2017), conversion of Balle et al. 2020",
    "prv": "PRV (Gopi, Lee, Wutschitz 2021)",
}
"""Accountants by name, with the text that stands beside every epsilon."""


@dataclass(frozen=True)
class Spend:
    """One event: ``steps`` Gaussian mechanisms on Poisson samples of rate ``sampling_rate``."""

    noise_multiplier: float
    sampling_rate: float
    steps: int


@dataclass(frozen=True)
class PrivacyPlan:
    """Sample-level DP-SGD (Abadi et al. 2016): one window is the unit that is protected.

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
    unit: Literal["window"] = "window"

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


@dataclass(frozen=True)
class NoPrivacy:
    """Training without noise, said out loud: a plan without DP is this value, never ``None``."""

    weights: Weights
    unit: Literal["none"] = "none"


Privacy = PrivacyPlan | NoPrivacy


def check_epsilon(epsilon: float) -> None:
    """Raise InvalidConfiguration unless ``epsilon`` is finite and above 0."""
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise InvalidConfiguration(
            f"privacy.epsilon={epsilon}",
            "must be a finite number above 0",
            "Give a limit such as privacy.epsilon=8, or privacy=none to train without DP",
        )


def check_delta(delta: float, windows: int | None = None) -> None:
    """Raise InvalidConfiguration unless 0 < delta < 1/windows.

    A delta of 1/n allows the release of one whole record with certainty (Dwork and Roth 2014,
    section 2.3), so it must lie below that for the site with most windows.
    """
    bound = 1.0 if windows is None else 1.0 / windows
    if not 0 < delta < bound:
        raise InvalidConfiguration(
            f"privacy.delta={delta}",
            f"must lie above 0 and below 1/n = {bound:.3g}"
            + (f" (n = {windows} windows on the largest site)" if windows else ""),
            f"Set privacy.delta below that, for example privacy.delta={min(1e-5, bound / 10):.0e}",
        )


def epsilon_of(spends: Iterable[Spend], delta: float, accountant: AccountantName) -> float:
    """Epsilon at ``delta`` of all ``spends`` composed, in any order; 0.0 for none."""
    steps_of: dict[tuple[float, float], int] = {}
    for spend in spends:
        key = (spend.noise_multiplier, spend.sampling_rate)
        steps_of[key] = steps_of.get(key, 0) + spend.steps
    history = tuple(sorted((noise, rate, steps) for (noise, rate), steps in steps_of.items()))
    return _epsilon_of_history(history, delta, accountant) if history else 0.0


def calibrate_noise(
    epsilon: float, delta: float, sampling_rate: float, steps: int, accountant: AccountantName
) -> float:
    """The smallest noise multiplier (to 0.01 %) that keeps ``steps`` steps within ``epsilon``.

    Bisection on the accountant itself, rounded up, so the composed epsilon never passes the limit.

    Raises:
        InvalidConfiguration: no noise multiplier below 10^4 is enough.
    """
    check_epsilon(epsilon)
    check_delta(delta)

    def within(noise: float) -> bool:
        return epsilon_of([Spend(noise, sampling_rate, steps)], delta, accountant) <= epsilon

    high = 1.0
    while not within(high):
        high *= 2
        if high > 1e4:
            raise InvalidConfiguration(
                f"privacy.epsilon={epsilon}",
                f"no noise multiplier below {1e4:.0e} keeps {steps} steps at sampling rate"
                f" {sampling_rate:.3g} within it",
                "Raise privacy.epsilon, or lower rounds or the sampling rate",
            )
    low = high / 2 if high > 1 else 0.0
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if middle > 1e-2 and within(middle) else (middle, high)
    return high


@lru_cache(maxsize=4096)
def _epsilon_of_history(
    history: tuple[tuple[float, float, int], ...], delta: float, accountant: AccountantName
) -> float:
    return _BY_NAME[accountant](history, delta)


def _epsilon_by_rdp(history: tuple[tuple[float, float, int], ...], delta: float) -> float:
    from opacus.accountants.analysis import rdp

    orders = _orders()
    total = sum(_rdp_of_step(noise, rate) * steps for noise, rate, steps in history)
    epsilon, _ = rdp.get_privacy_spent(orders=orders, rdp=total, delta=delta)
    return float(epsilon)


@lru_cache(maxsize=4096)
def _rdp_of_step(noise: float, rate: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    from opacus.accountants.analysis import rdp

    return np.asarray(rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=_orders()))


@lru_cache(maxsize=1)
def _orders() -> list[float]:
    from opacus.accountants import RDPAccountant

    return list(RDPAccountant.DEFAULT_ALPHAS)


def _epsilon_by_prv(history: tuple[tuple[float, float, int], ...], delta: float) -> float:
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = list(history)
    return float(accountant.get_epsilon(delta=delta))


_BY_NAME: Mapping[str, Callable[[tuple[tuple[float, float, int], ...], float], float]] = {
    "rdp": _epsilon_by_rdp,
    "prv": _epsilon_by_prv,
}
