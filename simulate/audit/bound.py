"""A lower bound on epsilon from guesses about which examples took part in one run.

Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023
(arXiv:2305.08846): each of ``canaries`` examples is in the data with probability 1/2,
independently; an attacker sees the output and guesses some of the coins. An (epsilon, delta)-DP
mechanism bounds how many guesses can be right, so many right guesses refute it.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc
from scipy.stats import binom

_PRECISION = 1e-6
"""Width at which the search for the bound ends; the lower end is returned."""


@dataclass(frozen=True)
class Guesses:
    """``right`` of ``made`` guesses were right, about ``canaries`` coins; the others abstained."""

    canaries: int
    made: int
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.made <= self.canaries:
            raise ValueError(f"{self}: must have 0 <= right <= made <= canaries")


def p_value(guesses: Guesses, epsilon: float, delta: float) -> float:
    """The largest probability of this many right guesses under (epsilon, delta)-DP.

    Theorem 5.2 and corollary 5.4 of the paper. With W of Binomial(made, e^epsilon/(1+e^epsilon)):

        P[right or more]  <=  P[W >= right]  +  2 canaries delta max_i P[right > W >= right - i] / i

    The first term is what randomised response of that epsilon reaches; the second pays for delta.
    """
    if guesses.right == 0:
        return 1.0
    accuracy = 1 / (1 + math.exp(-epsilon))
    tail = float(bdtrc(guesses.right - 1, guesses.made, accuracy))
    if delta == 0:
        return tail
    below = binom.pmf(np.arange(guesses.right - 1, -1, -1), guesses.made, accuracy)
    largest_mean = float((np.cumsum(below) / np.arange(1, guesses.right + 1)).max())
    return min(tail + 2 * guesses.canaries * delta * largest_mean, 1.0)


def epsilon_bound(guesses: Guesses, delta: float, error: float) -> float:
    """The largest epsilon that is refuted at level ``error``; 0.0 if none is.

    If the mechanism is (epsilon, delta)-DP, the bound exceeds that epsilon with probability at most
    ``error``.
    """
    if p_value(guesses, 0.0, delta) > error:
        return 0.0
    low, high = 0.0, 1.0
    while p_value(guesses, high, delta) <= error:
        low, high = high, 2 * high
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if p_value(guesses, middle, delta) <= error:
            low = middle
        else:
            high = middle
    return low
