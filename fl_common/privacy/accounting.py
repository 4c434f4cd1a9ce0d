"""The accounting of the privacy that plans spend.

One frozen plan gives the mechanism on the site and the accountant's event everywhere. Accountants:
RDP (Mironov 2017, with the subsampled Gaussian of Mironov, Talwar and Zhang 2019 and the conversion
to (epsilon, delta) of Balle et al. 2020), in ``rdp.py`` and checked against Opacus; and Opacus' PRV
(Gopi, Lee and Wutschitz 2021, numerical composition), imported on first use, so that only processes
that need it pay for it.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.rdp import epsilon_of_rdp, rdp_of_step
from fl_common.requirements import check_installed

AccountantName = Literal["rdp", "prv"]
Weights = Literal["uniform", "examples"]

ACCOUNTANTS: Mapping[str, str] = {
    "rdp": "RDP (Mironov 2017), conversion of Balle et al. 2020",
    "prv": "PRV (Gopi, Lee, Wutschitz 2021)",
}
"""Accountants by name, with the text that is shown with every epsilon."""


@dataclass(frozen=True)
class Spend:
    """One event: ``steps`` Gaussian mechanisms on Poisson samples of rate ``sampling_rate``."""

    noise_multiplier: float
    sampling_rate: float
    steps: int

    def of_group(self, windows: int) -> "Spend":
        """This event for a group of ``windows`` windows that are added or removed together.

        A step draws j of them, so that the sum moves by at most j clip norms. Scaled by j of
        ``windows`` and filled up with noise, a move by all of them becomes that move, so the event
        is a post-processing of one that moves by all with the probability that any is drawn:
        noise multiplier over ``windows``, sampling rate 1 - (1 - q)^windows.
        """
        if windows == 1:
            return self
        rate = (
            -math.expm1(windows * math.log1p(-self.sampling_rate))
            if self.sampling_rate < 1
            else 1.0
        )
        return Spend(self.noise_multiplier / windows, rate, self.steps)


def check_epsilon(epsilon: float) -> None:
    """Raise InvalidConfiguration unless ``epsilon`` is finite and above 0."""
    if not (isinstance(epsilon, (int, float)) and 0 < epsilon < math.inf):
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


def epsilon_of_group(
    spends: Iterable[Spend], windows: int, delta: float, accountant: AccountantName
) -> float:
    """Epsilon at ``delta`` for ``windows`` windows added or removed together; 0.0 for none."""
    return epsilon_of([spend.of_group(windows) for spend in spends], delta, accountant)


def calibrate_noise(
    epsilon: float, delta: float, sampling_rate: float, steps: int, accountant: AccountantName
) -> float:
    """The smallest noise multiplier (to 0.01 %) that keeps ``steps`` steps within ``epsilon``.

    Found with the accountant itself and rounded up, so the composed epsilon never exceeds the
    limit.

    Raises:
        InvalidConfiguration: no noise multiplier below 10^4 is enough.
    """
    check_epsilon(epsilon)
    check_delta(delta)

    def excess(log_noise: float) -> float:
        spend = Spend(math.exp(log_noise), sampling_rate, steps)
        return math.log(min(epsilon_of([spend], delta, accountant), 1e12) / epsilon)

    high = 0.0
    while excess(high) > 0:
        high += math.log(2)
        if high > math.log(1e4):
            raise InvalidConfiguration(
                f"privacy.epsilon={epsilon}",
                f"no noise multiplier below {1e4:.0e} keeps {steps} steps at sampling rate"
                f" {sampling_rate:.3g} within it",
                "Raise privacy.epsilon, or lower rounds or the sampling rate",
            )
    low = high - math.log(2)
    while excess(low) <= 0:
        if low < math.log(1e-2):
            return math.exp(low)
        low, high = low - math.log(2), low
    return math.exp(_falling_zero(excess, low, high))


def _falling_zero(function: Callable[[float], float], low: float, high: float) -> float:
    """A point at most 10^-4 above the zero of a falling function that is above 0 at ``low``.

    By secants between the two ends: half as many calls as a bisection, and PRV takes about half a
    second for each.
    """
    older, newer = low, high
    while True:
        fall = function(older) - function(newer)
        guess = newer + function(newer) * (newer - older) / fall if fall else low
        guess = guess if low < guess < high else (low + high) / 2
        if abs(guess - newer) < 1e-5 or high - low < 1e-5:
            break
        older, newer = newer, guess
        low, high = (guess, high) if function(guess) > 0 else (low, guess)
    step = 2e-5
    while function(guess := min(guess + step, high)) > 0:
        step *= 2
    return guess


@lru_cache(maxsize=4096)
def _epsilon_of_history(
    history: tuple[tuple[float, float, int], ...], delta: float, accountant: AccountantName
) -> float:
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # The best order may be the first or the last: the bound is then loose but still valid.
        warnings.filterwarnings("ignore", message="Optimal order")
        return _BY_NAME[accountant](history, delta)


def _epsilon_by_rdp(history: tuple[tuple[float, float, int], ...], delta: float) -> float:
    total = sum(_rdp_of_step(noise, rate) * steps for noise, rate, steps in history)
    return epsilon_of_rdp(np.asarray(total), delta)


_rdp_of_step = lru_cache(maxsize=4096)(rdp_of_step)


def _epsilon_by_prv(history: tuple[tuple[float, float, int], ...], delta: float) -> float:
    check_installed("accountant=prv", "train", ["opacus"])
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = list(history)
    return float(accountant.get_epsilon(delta=delta))


_BY_NAME: Mapping[str, Callable[[tuple[tuple[float, float, int], ...], float], float]] = {
    "rdp": _epsilon_by_rdp,
    "prv": _epsilon_by_prv,
}
