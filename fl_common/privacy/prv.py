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
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from fl_common.privacy.losses import Losses, Step, Values
from fl_common.privacy.rdp import LARGEST_GROUP, rate_of_any

Event = tuple[float, float, int, int]
"""Noise multiplier, sampling rate, windows of a group, steps."""
Part = tuple[Losses, int]
"""The losses of a step, and how often it is taken."""

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
_FAINT = -60.0
"""Log of frequencies that are left out: e^-60 for each, far below the rounding errors."""
_MOST_KEPT = 1 << 17
"""Points of a spectrum that is kept for the next round's epsilon."""
_TILTS: Values = np.geomspace(0.02, 20_000, 48)


def epsilon_of_losses(events: Sequence[Event], delta: float, bound: float) -> float:
    """Epsilon at ``delta`` of ``events``; at most ``bound``, RDP's."""
    merged = _merged(events)
    while 0 < bound <= _LARGEST:
        found = _on_grid_for(bound, merged, delta)
        if found > _FAR_BELOW * bound:
            return min(found, bound)
        bound = found
    return bound


def _on_grid_for(bound: float, events: Sequence[Event], delta: float) -> float:
    """Epsilon of ``events`` on a grid that is fine enough for one about as large as ``bound``."""
    times = sum(each for *_, each in events)
    spacing = _power(min(math.sqrt(8 * _ACCURACY * bound / times), _COARSEST * bound), math.floor)
    spacing = max(spacing, _power(4 * bound / _MOST_POINTS, math.ceil))
    parts = list[tuple[Part, Part]]()
    for noise, rate, windows, each in events:
        removed, added = Losses.both_ways(Step(noise, rate, windows, _up_to(each)), delta, spacing)
        parts.append(((removed, each), (added, each)))
    return max(_composed(way, spacing, delta) for way in zip(*parts, strict=True))


def _power(value: float, rounded: Callable[[float], int]) -> float:
    """A power of the square root of two: plans that differ a little have the same grid."""
    return float(2.0 ** (rounded(2 * math.log2(value)) / 2))


def _up_to(times: int) -> int:
    """The power of two that is not below ``times``."""
    return 1 << (times - 1).bit_length()


def _merged(events: Sequence[Event]) -> list[Event]:
    """Gaussians that are not sampled as one, as their losses add up exactly."""
    merged, precision = list[Event](), 0.0
    for noise, rate, windows, times in events:
        if rate == 1:
            precision += times * (windows / noise) ** 2
        elif windows > LARGEST_GROUP:
            merged.append((noise / windows, rate_of_any(rate, windows), 1, times))
        else:
            merged.append((noise, rate, windows, times))
    return merged + ([(precision**-0.5, 1.0, 1, 1)] if precision else [])


def _composed(parts: Sequence[Part], spacing: float, delta: float) -> float:
    """Epsilon of all ``parts`` together; infinite where the grid can't hold their sum."""
    left = delta * (1 - _WRAPPED) - sum(losses.lost * times for losses, times in parts)
    if left <= 0:
        return math.inf
    log_moments = np.asarray(sum(_log_moments(losses, spacing) * times for losses, times in parts))
    best = _tilt(log_moments, sum(times for _, times in parts), delta)
    tilt = float(_TILTS[best]) * spacing
    highest = float(np.min((log_moments - math.log(_WRAPPED * delta)) / _TILTS))
    first = _lowest(parts, tilt)
    points = _even(max(16.0, highest / spacing - first))
    if points > _MOST_POINTS:
        return math.inf
    sum_P = np.roll(_convolved(parts, tilt, points), -(first % points))
    counted_P = slice(max(0, -first), None)  # losses below zero count at no epsilon
    index_P = np.arange(first, first + points)[counted_P]
    factor_P = np.exp(np.minimum(log_moments[best] - tilt * index_P, 600.0))
    rounding = _ROUNDING * math.sqrt(points) * sum(times for _, times in parts)
    epsilon_P = np.asarray(index_P * spacing, np.float64)
    return _epsilon(epsilon_P, sum_P[counted_P] * factor_P, rounding * factor_P, left)


def _even(size: float) -> int:
    """A number of points from ``size`` on that FFT is fast for: 4, 5, 6 or 7 times a power of 2."""
    power = math.floor(math.log2(size)) - 2
    return int(math.ceil(size / (1 << power)) << power)


def _tilt(log_moments_T: Values, times: int, delta: float) -> int:
    """The index of the least of ``_TILTS`` that makes rounding errors small, compared to delta."""
    epsilon = float(np.min((log_moments_T - math.log(delta)) / _TILTS))
    log_errors_T = log_moments_T - _TILTS * epsilon
    errors = math.log(_ROUNDING * math.sqrt(_MOST_POINTS) * times)
    is_small = errors + log_errors_T <= math.log(_SMALL * delta)
    return int(np.argmax(is_small) if is_small.any() else np.argmin(log_errors_T))


@lru_cache(maxsize=64)
def _log_moments(losses: Losses, spacing: float) -> Values:
    """Log of E[e^(tilt index)] of one step, for each of ``_TILTS``."""
    return np.array([losses.tilted(tilt * spacing)[1] for tilt in _TILTS])


def _lowest(parts: Sequence[Part], tilt: float) -> int:
    """The first index of a grid that has zero and the tilted sum's lower tail.

    What is lower wraps around to where it counts as more, so this is about accuracy alone.
    """
    mean = variance = 0.0
    for losses, times in parts:
        of_one = _mean_and_variance(losses, tilt)
        mean, variance = mean + times * of_one[0], variance + times * of_one[1]
    return min(math.floor(mean - _SPREADS * math.sqrt(variance)), 0) - 1


@lru_cache(maxsize=64)
def _mean_and_variance(losses: Losses, tilt: float) -> tuple[float, float]:
    mass_N, _ = losses.tilted(tilt)
    mean = float(mass_N @ losses.index_N)
    return mean, float(mass_N @ (losses.index_N - mean) ** 2)


def _convolved(parts: Sequence[Part], tilt: float, points: int) -> Values:
    """The tilted distribution of the sum, by index modulo ``points``."""
    size_F, phase_F = np.zeros(points // 2 + 1), np.zeros(points // 2 + 1)
    spectrum = _spectrum if points <= _MOST_KEPT else _spectrum.__wrapped__
    for losses, times in parts:
        of_one_F = spectrum(losses, tilt, points)
        size_F += times * of_one_F[0]
        phase_F += times * of_one_F[1]
    near = size_F > _FAINT
    sum_F = np.zeros(points // 2 + 1, np.complex128)
    sum_F[near] = np.exp(size_F[near]) * (np.cos(phase_F[near]) + 1j * np.sin(phase_F[near]))
    return np.asarray(np.maximum(np.fft.irfft(sum_F, points), 0.0), np.float64)


@lru_cache(maxsize=16)
def _spectrum(losses: Losses, tilt: float, points: int) -> tuple[Values, Values]:
    """Log of size, and phase, of one step's tilted distribution by index modulo ``points``."""
    mass_N, _ = losses.tilted(tilt)
    folded_P = np.bincount(losses.index_N % points, mass_N, minlength=points)
    spectrum_F = np.fft.rfft(folded_P)
    with np.errstate(divide="ignore"):
        return np.log(np.abs(spectrum_F)), np.angle(spectrum_F)


def _epsilon(epsilon_P: Values, mass_P: Values, rounding_P: Values, delta: float) -> float:
    """The smallest epsilon, at least 0, whose hockey-stick divergence is at most ``delta``.

    At epsilon it is the sum of mass (1 - e^(epsilon - loss)) over the losses above.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        own_P = np.cumsum(mass_P[::-1])[::-1]
        other_P = np.cumsum((mass_P * np.exp(-epsilon_P))[::-1])[::-1]
        delta_P = own_P - np.exp(epsilon_P) * other_P + rounding_P
    is_within = delta_P <= delta
    if not is_within.any():
        return math.inf
    at = int(np.argmax(is_within))
    if at == 0:
        return float(epsilon_P[at])
    excess = own_P[at] + rounding_P[at - 1] - delta
    exact = math.log(excess / other_P[at]) if excess > 0 and other_P[at] > 0 else 0.0
    return min(max(exact, float(epsilon_P[at - 1])), float(epsilon_P[at]))
