"""The accounting of the privacy that plans spend.

One frozen plan gives the mechanism on the site and the accountant's event everywhere. Accountants:
RDP (Mironov 2017, with the subsampled Gaussian of Mironov, Talwar and Zhang 2019 and the conversion
to (epsilon, delta) of Balle et al. 2020) in ``rdp.py``, and numerical composition in ``prv.py``.
Both are upper bounds, take groups of windows, and end within a second for every plan.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from fl_common.configuration.rules import number, require
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.prv import Event, epsilon_of_losses
from fl_common.privacy.rdp import epsilon_of_rdp, rdp_of_step

AccountantName = Literal["rdp", "prv"]
Weights = Literal["uniform", "examples"]

ACCOUNTANTS: Mapping[str, str] = {
    "rdp": "RDP (Mironov 2017), conversion of Balle et al. 2020",
    "prv": "PRV, numerical composition (Gopi, Lee, Wutschitz 2021; Doroshenko et al. 2022)",
}
"""Accountants by name, with the text that is shown with every epsilon."""

EPSILON = number("must lie in [0.01, 1e+12]", lambda epsilon: 0.01 <= epsilon <= 1e12)
"""Limits that noise can meet at every ``DELTA``."""

DELTA = number("must lie in [1e-15, 0.5]", lambda delta: 1e-15 <= delta <= 0.5)
"""Deltas above nothing and below a coin's toss."""

SMALLEST_NOISE, LARGEST_NOISE = 1e-6, 1e4
"""Noise multipliers of mechanisms."""

_EPSILON_REMEDY = "Give a limit such as privacy.epsilon=8, or privacy=none to train without DP"


@dataclass(frozen=True)
class Spend:
    """One event: ``steps`` Gaussian mechanisms on Poisson samples of rate ``sampling_rate``."""

    noise_multiplier: float
    sampling_rate: float
    steps: int


def check_epsilon(epsilon: float) -> None:
    """Raise InvalidConfiguration unless ``epsilon`` is a limit that an accountant can meet."""
    require("privacy.epsilon", epsilon, EPSILON, _EPSILON_REMEDY)


def check_delta(delta: float, windows: int | None = None) -> None:
    """Raise InvalidConfiguration unless ``delta`` is one that means something, below 1/windows.

    A delta of 1/n allows the release of one whole record with certainty (Dwork and Roth 2014,
    section 2.3), so it must lie below that for the site with most windows.
    """
    require("privacy.delta", delta, DELTA, "Set privacy.delta to such a value, for example 1e-05")
    bound = 1.0 if windows is None else 1.0 / windows
    if not delta < bound:
        raise InvalidConfiguration(
            f"privacy.delta={delta}",
            f"must lie below 1/n = {bound:.3g} (n = {windows} windows on the largest site)",
            f"Set privacy.delta below that, for example privacy.delta={min(1e-5, bound / 10):.0e}",
        )


def epsilon_of(spends: Iterable[Spend], delta: float, accountant: AccountantName) -> float:
    """Epsilon at ``delta`` of all ``spends`` composed, in any order; 0.0 for none."""
    return epsilon_of_group(spends, 1, delta, accountant)


def epsilon_of_group(
    spends: Iterable[Spend], windows: int, delta: float, accountant: AccountantName
) -> float:
    """Epsilon at ``delta`` for ``windows`` windows added or removed together; 0.0 for none."""
    return epsilon_of_groups([(spend, windows) for spend in spends], delta, accountant)


def epsilon_of_groups(
    spends: Iterable[tuple[Spend, int]], delta: float, accountant: AccountantName
) -> float:
    """The same, where each event meets its own number of the windows."""
    steps_of: dict[tuple[float, float, int], int] = {}
    for spend, windows in spends:
        key = (spend.noise_multiplier, spend.sampling_rate, windows)
        steps_of[key] = steps_of.get(key, 0) + spend.steps
    history = tuple((*key, steps) for key, steps in sorted(steps_of.items()))
    return _epsilon_of_history(history, delta, accountant) if history else 0.0


def calibrate_noise(
    epsilon: float,
    delta: float,
    sampling_rate: float,
    steps: int,
    accountant: AccountantName,
    windows: int = 1,
    beside: Sequence[Spend] = (),
) -> float:
    """The smallest noise multiplier (to 0.01 %) that keeps ``steps`` steps within ``epsilon``.

    ``epsilon`` is for ``windows`` windows together, and also for what is spent ``beside`` these
    steps. The multiplier is found with the accountant
    itself and rounded up, so the composed epsilon never exceeds the limit.

    Raises:
        InvalidConfiguration: no noise multiplier up to ``LARGEST_NOISE`` is enough.
    """
    check_epsilon(epsilon)
    check_delta(delta)

    def excess(log_noise: float) -> float:
        spend = Spend(math.exp(log_noise), sampling_rate, steps)
        spent = epsilon_of_group([spend, *beside], windows, delta, accountant)
        return math.log(min(max(spent, 1e-12), 1e15) / epsilon)

    high, highest = 0.0, math.log(LARGEST_NOISE)
    while excess(high) > 0:
        if high == highest:
            raise _not_met(epsilon, delta, sampling_rate, steps)
        high = min(high + math.log(2), highest)
    low = high - math.log(2)
    while excess(low) <= 0:
        if low < math.log(1e-2):
            return math.exp(low)
        low, high = low - math.log(2), low
    return math.exp(_falling_zero(excess, low, high))


def _not_met(
    epsilon: float, delta: float, sampling_rate: float, steps: int
) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"privacy.epsilon={epsilon}",
        f"can't be kept at delta {delta:g} over {steps} steps at sampling rate {sampling_rate:.3g}"
        f" by any noise multiplier up to {LARGEST_NOISE:g}",
        "Raise privacy.epsilon, or lower rounds or the sampling rate",
    )


def _falling_zero(function: Callable[[float], float], low: float, high: float) -> float:
    """A point at most 10^-4 above the zero of a falling function that is above 0 at ``low``.

    By secants between the two ends, half as many calls as a bisection; and by halves where two
    secants leave more than half, as beside a jump.
    """
    older, newer, widths = low, high, [math.inf, math.inf]
    while True:
        fall = function(older) - function(newer)
        guess = newer + function(newer) * (newer - older) / fall if fall else low
        is_slow = high - low > widths[-2] / 2
        guess = guess if low < guess < high and not is_slow else (low + high) / 2
        widths.append(high - low)
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
    history: tuple[Event, ...], delta: float, accountant: AccountantName
) -> float:
    with np.errstate(divide="ignore", over="ignore"):
        total = sum(_rdp_of_step(*step) * times for *step, times in history)
        epsilon = epsilon_of_rdp(np.asarray(total), delta)
        return epsilon_of_losses(history, delta, epsilon) if accountant == "prv" else epsilon


_rdp_of_step = lru_cache(maxsize=4096)(rdp_of_step)
