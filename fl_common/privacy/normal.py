"""The standard normal distribution far into its tails, without SciPy: 35 MB less on a box."""

import math

import numpy as np
from numpy.typing import NDArray

_erfc = np.frompyfunc(math.erfc, 1, 1)


def normal_mass(edges_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities of the intervals between rising ``edges_N``, one fewer than edges.

    Each is a difference of the smaller tails, so that it keeps its digits far out; beyond 38 it
    is 0.
    """
    tail_N = np.asarray(_erfc(np.abs(edges_N) / math.sqrt(2)), np.float64) / 2
    low, high = edges_N[:-1], edges_N[1:]
    same_side = np.abs(tail_N[1:] - tail_N[:-1])
    return np.where((low < 0) & (high > 0), 1 - tail_N[:-1] - tail_N[1:], same_side)
