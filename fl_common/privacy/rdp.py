"""Rényi differential privacy of the Poisson-sampled Gaussian mechanism, all orders at once.

The unit is a group of ``windows`` windows that come or go together; 1 for a single window. A step
draws each of them with probability ``rate``, and with unit clip norm and noise z a group moves the
sum by at most its number drawn, so the step is dominated by N(0, z^2) against the mixture of
N(j, z^2) with j binomial (Ganesh 2024, "Tight group-level DP guarantees for DP-SGD with sampling
via mixture of Gaussians mechanisms", arXiv 2401.10294; for one window: Mironov, Talwar and Zhang
2019). Both directions are computed, add and remove, and the larger one counts.

The moments are sums over evenly spaced nodes (trapezoidal rule), which for these functions errs by
less than e^-36 of a moment; docs/reference/accounting.md has the proof. No SciPy, no Opacus and no
Python loop over orders: calibrating a run's noise takes milliseconds, and a box that only reads its
ledger installs neither.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Orders = NDArray[np.float64]

ORDERS: Orders = np.array(
    [1 + x / 10 for x in range(1, 100)]
    + list(range(12, 64))
    + [round(64 * 2 ** (x / 2)) for x in range(17)],
    np.float64,
)
"""Opacus' orders, 1.1 to 10.9 in tenths and 12 to 63, and then up to 16384 for small epsilons."""

_MOST_SHIFTS = 64
"""Of larger groups the number drawn is rounded up to a multiple: hardly looser, and as fast."""
LARGEST_GROUP = 4096
"""Still larger ones are accounted for as always drawn together."""

_FARTHEST = 64.0
"""Orders at which a group moves the mean further, in units of the noise, count as unsampled."""
_NODES = 12
"""Nodes of the trapezoidal rule in each unit of the noise, or of the noise over the windows."""
_TAIL = 12.0
"""Units of the noise beyond which nothing is left: e^-72 of a moment."""
_SMALL = 0.1
"""Logarithms of moments below this are computed from what the moment exceeds 1 by."""


def rdp_of_step(noise_multiplier: float, sampling_rate: float, windows: int = 1) -> Orders:
    """RDP of one step at each of ``ORDERS`` for a group of ``windows`` windows."""
    rdp = np.asarray(ORDERS / 2 * (windows / noise_multiplier) ** 2, np.float64)  # unsampled
    if sampling_rate == 1.0:
        return rdp
    if windows > LARGEST_GROUP:
        rate = rate_of_any(sampling_rate, windows)
        return rdp_of_step(noise_multiplier / windows, rate)
    noise, log_weights_J = shifts_of(noise_multiplier, sampling_rate, windows)
    near = (len(log_weights_J) - 1) / noise * ORDERS <= _FARTHEST
    if near.any():
        orders_A = ORDERS[near]
        log_moments_A = np.maximum(
            _log_moments(noise, log_weights_J, orders_A),
            _log_moments(noise, log_weights_J, 1 - orders_A),
        )
        rdp[near] = np.minimum(rdp[near], log_moments_A / (orders_A - 1))
    return rdp


def shifts_of(noise: float, rate: float, windows: int) -> tuple[float, Orders]:
    """By what a step moves the mean: logs of the probabilities of 0, 1, ... shifts, and the noise.

    The noise is in units of a shift, which is a window's, or that of several windows for a group of
    many: then the number drawn counts as the next multiple. With more windows drawn each half-line
    is left with more of one density and no more of the other, so no divergence falls.
    """
    size, log_weights_J = math.ceil(windows / _MOST_SHIFTS), log_binomial(rate, windows)
    if size > 1:
        starts = [0, *range(1, windows + 1, size)]
        log_weights_J = np.logaddexp.reduceat(log_weights_J, starts)
    return noise / size, log_weights_J


def rate_of_any(sampling_rate: float, windows: int) -> float:
    """The probability that a step draws at least one of ``windows`` windows."""
    return -math.expm1(windows * math.log1p(-sampling_rate))


def epsilon_of_rdp(rdp: Orders, delta: float) -> float:
    """The smallest epsilon at ``delta`` over all orders (Balle et al. 2020, theorem 21)."""
    epsilon = rdp - (math.log(delta) + np.log(ORDERS)) / (ORDERS - 1) + np.log1p(-1 / ORDERS)
    return max(0.0, float(np.nanmin(epsilon)))


def log_binomial(rate: float, windows: int) -> Orders:
    """Logarithms of the probabilities that 0, 1, ..., ``windows`` windows are drawn."""
    drawn = np.arange(windows + 1)
    if rate == 1:
        return np.where(drawn == windows, 0.0, -np.inf)
    ways = np.array(_log_ways(windows))
    return np.asarray(
        ways + drawn * math.log(rate) + (windows - drawn) * math.log1p(-rate), np.float64
    )


@lru_cache(maxsize=64)
def _log_ways(windows: int) -> tuple[float, ...]:
    """Logarithms of the numbers of ways to draw 0, 1, ..., ``windows``; of exact integers."""
    ways, logs = 1, [0.0]
    for drawn in range(1, windows + 1):
        ways = ways * (windows - drawn + 1) // drawn
        logs.append(math.log(ways))
    return tuple(logs)


def log_ratio(noise: float, log_weights_J: Orders, nodes_N: Orders) -> Orders:
    """Log of the density of the mixture over that of N(0, 1), at nodes in units of the noise."""
    drawn = np.arange(len(log_weights_J)) / noise
    terms_JN = np.multiply.outer(drawn, nodes_N) + (log_weights_J - drawn**2 / 2)[:, None]
    most_N = terms_JN.max(axis=0)
    terms_JN -= most_N
    return np.asarray(most_N + np.log(np.exp(terms_JN, out=terms_JN).sum(axis=0)), np.float64)


def _log_moments(noise: float, log_weights_J: Orders, powers_A: Orders) -> Orders:
    """Log of E[ratio^power] under N(0, 1), for powers all above 1, or all below 0.

    The ratio of densities has the mean 1, so a moment exceeds 1 by E[ratio^power - 1 - power
    (ratio - 1)], which keeps its digits where the moment is close to 1.
    """
    farthest = (len(log_weights_J) - 1) / noise
    reach = _TAIL + float(np.abs(powers_A).max()) * farthest
    low, high = (-_TAIL, reach) if powers_A[0] > 0 else (-reach, _TAIL)
    spacing = 1 / (_NODES * max(1.0, farthest))
    nodes_N = np.arange(low, high + spacing, spacing)
    log_mass_N = -(nodes_N**2) / 2 + math.log(spacing / math.sqrt(2 * math.pi))
    ratio_N = log_ratio(noise, log_weights_J, nodes_N)
    terms_AN = np.multiply.outer(powers_A, ratio_N)
    shifted_AN = terms_AN + log_mass_N
    most_A = shifted_AN.max(axis=1)
    log_moments_A = most_A + np.log(np.exp(shifted_AN - most_A[:, None]).sum(axis=1))
    small = log_moments_A < _SMALL
    log_moments_A[small] = np.log1p(_excess(powers_A[small], ratio_N, log_mass_N))
    return np.asarray(log_moments_A, np.float64)


def _excess(powers_A: Orders, ratio_N: Orders, log_mass_N: Orders) -> Orders:
    """What the moments exceed 1 by; far out a power overflows, its mass does not."""

    def mass_above_1(logs: Orders) -> Orders:
        large = logs > 1
        near = np.expm1(np.where(large, 0.0, logs)) * mass_N
        return np.where(large, np.exp(np.where(large, logs, 0.0) + log_mass_N) - mass_N, near)

    mass_N = np.exp(log_mass_N)
    powered_A = mass_above_1(np.multiply.outer(powers_A, ratio_N)).sum(axis=1)
    return np.asarray(powered_A - powers_A * mass_above_1(ratio_N).sum(), np.float64)
