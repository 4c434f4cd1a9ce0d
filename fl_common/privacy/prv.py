"""Numerical composition of privacy losses: the accountant ``prv``.

Losses of steps add up, so the distribution of their sum is a convolution, taken by FFT (Koskela,
Jälkö and Honkela 2020; Gopi, Lee and Wutschitz 2021). The result is an upper bound: the steps'
losses are on a grid that dominates them (``losses``), the sum is tilted before the FFT so that
rounding errors are small, compared to delta, and those errors and the tail that wraps around are
subtracted from delta. Both directions, add and remove, are computed, and the larger epsilon counts.
Where the grid would have too many points, or an epsilon is too large to promise anything, RDP's
bound stands.
"""

import math
from collections.abc import Sequence

import numpy as np

from fl_common.privacy.losses import Losses, Step, Values
from fl_common.privacy.rdp import MOST_WINDOWS, rate_of_any

Event = tuple[float, float, int, int]
"""Noise multiplier, sampling rate, windows of a group, steps."""

_LARGEST = 100.0
"""An epsilon above it is RDP's."""
_MOST_POINTS = 1 << 20
_COARSEST = 0.002
"""Largest spacing of the grid, over epsilon."""
_FAR_BELOW = 0.5
"""An epsilon below this part of what the grid was made for is computed again on a finer one."""
_ACCURACY = 2e-5
"""Part of epsilon that the grid may add."""
_WRAPPED = 1e-4
"""Part of delta for the tail that wraps around."""
_SPREADS = 12
"""Standard deviations that the grid keeps below the tilted mean."""
_ROUNDING = 2e-14
"""Rounding error of one step in the tilted sum, over the square root of the number of points."""
_SMALL = 1e-3
"""Part of delta that rounding errors may have."""
_TILTS: Values = np.geomspace(0.02, 20_000, 48)


def epsilon_of_losses(events: Sequence[Event], delta: float, bound: float) -> float:
    """Epsilon at ``delta`` of ``events``; at most ``bound``, RDP's."""
    steps = _steps_of(events)
    while 0 < bound <= _LARGEST:
        found = _on_grid_for(bound, steps, delta)
        if found > _FAR_BELOW * bound:
            return min(found, bound)
        bound = found
    return bound


def _on_grid_for(bound: float, steps: Sequence[Step], delta: float) -> float:
    """Epsilon of ``steps`` on a grid that is fine enough for one about as large as ``bound``."""
    times = sum(step.times for step in steps)
    spacing = min(math.sqrt(8 * _ACCURACY * bound / times), _COARSEST * bound)
    spacing = max(spacing, 4 * bound / _MOST_POINTS)
    both_ways = zip(*(Losses.both_ways(step, delta, spacing) for step in steps), strict=True)
    return max(_composed(losses, spacing, delta) for losses in both_ways)


def _steps_of(events: Sequence[Event]) -> list[Step]:
    """Their steps; Gaussians that are not sampled are one, as their losses add up exactly."""
    steps, precision = [], 0.0
    for noise, rate, windows, times in events:
        if rate == 1:
            precision += times * (windows / noise) ** 2
        elif windows > MOST_WINDOWS:
            steps.append(Step(noise / windows, rate_of_any(rate, windows), 1, times))
        else:
            steps.append(Step(noise, rate, windows, times))
    return steps + ([Step(precision**-0.5, 1.0, 1, 1)] if precision else [])


def _composed(losses: Sequence[Losses], spacing: float, delta: float) -> float:
    """Epsilon of all ``losses`` together; infinite where the grid can't hold their sum."""
    left = delta * (1 - _WRAPPED) - sum(each.lost * each.times for each in losses)
    log_moments = np.array([_log_moment(losses, tilt * spacing) for tilt in _TILTS])
    best = _tilt(log_moments, sum(each.times for each in losses), delta)
    tilt = float(_TILTS[best]) * spacing
    highest = float(np.min((log_moments - math.log(_WRAPPED * delta)) / _TILTS))
    first = _lowest(losses, tilt)
    points = 1 << max(4, math.ceil(math.log2(max(1.0, highest / spacing - first))))
    if points > _MOST_POINTS or left <= 0:
        return math.inf
    sum_P = np.roll(_convolved(losses, tilt, points), -(first % points))
    index_P = first + np.arange(points)
    factor_P = np.exp(np.minimum(log_moments[best] - tilt * index_P, 600.0))
    rounding = _ROUNDING * math.sqrt(points) * sum(each.times for each in losses)
    epsilon_P = np.asarray(index_P * spacing, np.float64)
    return _epsilon(epsilon_P, sum_P * factor_P, rounding * factor_P, left)


def _tilt(log_moments_T: Values, times: int, delta: float) -> int:
    """The index of the least of ``_TILTS`` that makes rounding errors small, compared to delta."""
    epsilon = float(np.min((log_moments_T - math.log(delta)) / _TILTS))
    log_errors_T = log_moments_T - _TILTS * epsilon
    errors = math.log(_ROUNDING * math.sqrt(_MOST_POINTS) * times)
    is_small = errors + log_errors_T <= math.log(_SMALL * delta)
    return int(np.argmax(is_small) if is_small.any() else np.argmin(log_errors_T))


def _log_moment(losses: Sequence[Losses], tilt: float) -> float:
    """Log of E[e^(tilt index)] of the sum."""
    return sum(each.times * each.tilted(tilt)[1] for each in losses)


def _lowest(losses: Sequence[Losses], tilt: float) -> int:
    """The first index of a grid that has zero and the tilted sum's lower tail.

    What is lower wraps around to where it counts as more, so this is about accuracy alone.
    """
    mean = variance = 0.0
    for each in losses:
        mass_N, _ = each.tilted(tilt)
        average = float(mass_N @ each.index_N)
        mean += each.times * average
        variance += each.times * float(mass_N @ (each.index_N - average) ** 2)
    return min(math.floor(mean - _SPREADS * math.sqrt(variance)), 0) - 1


def _convolved(losses: Sequence[Losses], tilt: float, points: int) -> Values:
    """The tilted distribution of the sum, by index modulo ``points``."""
    size_F, phase_F = np.zeros(points // 2 + 1), np.zeros(points // 2 + 1)
    for each in losses:
        mass_N, _ = each.tilted(tilt)
        folded_P = np.bincount(each.index_N % points, mass_N, minlength=points)
        spectrum_F = np.fft.rfft(folded_P)
        with np.errstate(divide="ignore"):
            size_F += each.times * np.log(np.abs(spectrum_F))
        phase_F += each.times * np.angle(spectrum_F)
    sum_P = np.fft.irfft(np.exp(size_F) * np.exp(1j * phase_F), points)
    return np.asarray(np.maximum(sum_P, 0.0), np.float64)


def _epsilon(epsilon_P: Values, mass_P: Values, rounding_P: Values, delta: float) -> float:
    """The smallest epsilon, at least 0, whose hockey-stick divergence is at most ``delta``.

    At epsilon it is the sum of mass (1 - e^(epsilon - loss)) over the losses above.
    """
    with np.errstate(over="ignore"):
        own_P = np.cumsum(mass_P[::-1])[::-1]
        other_P = np.cumsum((mass_P * np.exp(-epsilon_P))[::-1])[::-1]
        delta_P = own_P - np.exp(epsilon_P) * other_P + rounding_P
    is_within = (delta_P <= delta) & (epsilon_P >= 0)
    if not is_within.any():
        return math.inf
    at = int(np.argmax(is_within))
    if at == 0 or epsilon_P[at - 1] < 0:
        return float(epsilon_P[at])
    excess = own_P[at] + rounding_P[at - 1] - delta
    exact = math.log(excess / other_P[at]) if excess > 0 and other_P[at] > 0 else 0.0
    return min(max(exact, float(epsilon_P[at - 1])), float(epsilon_P[at]))
