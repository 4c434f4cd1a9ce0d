"""The noise of training: its scale, shape, freshness and independence, also where a batch is empty.

Two sites with the same few windows answer several rounds at the same parameters. What the windows
add lies in the span of their gradients; on everything at right angles to it, each round's sum is
noise alone: independent normals of the plan's size.
"""

import math
from itertools import combinations

import numpy as np
from scipy import stats

from fl_common.plan import RunPlan
from fl_common.vocabulary import Doubles, Windows
from models.nets import build_net, parameters_of
from simulate.audit.checks import (
    ERROR,
    Check,
    correlation,
    range_of_mean_square,
    within,
)
from simulate.audit.probe import Examined, contributions, length_of, probing

_SITES, _ROUNDS = ("probe-a", "probe-b"), 4
_STEPS = 8
_RATE = 0.5
_FEWEST = 20
"""Numbers at right angles to the windows' gradients that are needed."""


def check_noise(examined: Examined, windows: Windows) -> list[Check]:
    """Checks of the noise on a sample of ``windows``."""
    mechanism = examined.mechanism
    rate = mechanism.sampling_rate if mechanism.sampling_rate < 1 else _RATE
    few = windows.take(np.arange(min(math.ceil(1 / rate), len(windows))))
    steps = max(mechanism.steps, _STEPS)
    basis_ND = _span(examined.plan, few)
    size = basis_ND.shape[1]
    probed = examined.changed(
        length_of(mechanism, size, len(few)) * math.sqrt(steps / mechanism.steps),
        sampling_rate=rate,
        steps=steps,
    )
    rows_RD = _rows(examined, probed, few)
    noise_RD = rows_RD - rows_RD @ basis_ND.T @ basis_ND
    free = size - len(basis_ND)
    if free < _FEWEST:
        return [Check("noise: scale", f"{free} parameters are free of data", f"{_FEWEST}", None)]
    return _of(noise_RD / (mechanism.noise_multiplier * math.sqrt(steps)), free)


def _span(plan: RunPlan, windows: Windows) -> Doubles:
    """An orthonormal basis (n, D) of the windows' gradients."""
    parameters = parameters_of(build_net(plan.net, plan.task, plan.seed or 0))
    gradients_ND = contributions(plan, parameters, windows)
    _, lengths_N, basis_ND = np.linalg.svd(gradients_ND, full_matrices=False)
    return np.asarray(basis_ND[lengths_N > 1e-6 * lengths_N.max()])


def _rows(examined: Examined, probed: RunPlan, windows: Windows) -> Doubles:
    rows = []
    for site in _SITES:
        with probing(examined, probed, site, windows) as probe:
            rows += [probe.sums(round_) for round_ in range(1, _ROUNDS + 1)]
    return np.stack(rows)


def _of(noise_RD: Doubles, free: int) -> list[Check]:
    """Checks of rows that should be standard normals on ``free`` of their dimensions."""
    rounds = len(noise_RD)
    low, high = range_of_mean_square(rounds * free)
    return [
        within("noise: scale", float(np.sum(noise_RD**2)) / (rounds * free), low, high, ".4f"),
        _freshness(noise_RD, free),
        _coordinates(noise_RD),
        _shape(noise_RD, free),
    ]


def _freshness(noise_RD: Doubles, free: int) -> Check:
    """Rounds of one site and of two, in pairs: repeated noise makes a pair alike."""
    count = free
    worst = max(
        (abs(correlation(a_D, b_D)), a, b)
        for (a, a_D), (b, b_D) in combinations(enumerate(noise_RD), 2)
    )
    most = float(stats.norm.isf(ERROR / 2)) / math.sqrt(count) + 0.01
    names = [f"{site[-1]}{round_ + 1}" for site in _SITES for round_ in range(_ROUNDS)]
    return Check(
        "noise: between rounds",
        f"up to {worst[0]:.4f} ({names[worst[1]]}, {names[worst[2]]})",
        f"below {most:.4f}",
        bool(worst[0] < most),
    )


def _coordinates(noise_RD: Doubles) -> Check:
    """Each number with its neighbour, and with the one half the vector further on."""
    half = noise_RD.shape[1] // 2
    shifted = [
        (noise_RD[:, :-1].ravel(), noise_RD[:, 1:].ravel()),
        (noise_RD[:, :half].ravel(), noise_RD[:, half : 2 * half].ravel()),
    ]
    found = max(abs(correlation(*pair)) for pair in shifted)
    most = float(stats.norm.isf(ERROR / 2)) / math.sqrt(shifted[1][0].size) + 0.01
    return Check(
        "noise: between parameters", f"up to {found:.4f}", f"below {most:.4f}", found < most
    )


def _shape(noise_RD: Doubles, free: int) -> Check:
    """Kolmogorov and Smirnov's test, where almost every direction is free of data."""
    name = "noise: shape"
    if free < 0.98 * noise_RD.shape[1]:
        return Check(name, "the windows' gradients span too much", "", None)
    found = float(stats.kstest(noise_RD.ravel(), "norm").statistic)
    most = float(stats.kstwobign.isf(ERROR)) / math.sqrt(noise_RD.size) + 0.01
    return Check(name, f"{found:.4f} from a normal one's", f"below {most:.4f}", found < most)
