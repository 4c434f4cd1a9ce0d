"""Bounds for tests of random noise, wide enough to fail less than once in a billion runs."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

BILLIONTH = 1e-9

SIGMAS = 6.2
"""How far a Gaussian value lies from its mean, in deviations, but once in 1.8 billion draws."""


def spread_is(values: NDArray[Any], deviation: float) -> bool:
    """Can Gaussian noise of this standard deviation be spread so about its own mean?

    Two sides of the chi-square distribution of the sample variance, half of ``BILLIONTH`` each.
    """
    degrees = values.size - 1
    lowest, highest = chi2.ppf(BILLIONTH / 2, degrees), chi2.isf(BILLIONTH / 2, degrees)
    sum_of_squares = degrees * float(np.var(values.astype(np.float64), ddof=1)) / deviation**2
    return bool(lowest < sum_of_squares < highest)


def mean_is(values: NDArray[Any], mean: float, deviation: float) -> bool:
    """Can Gaussian noise of this mean and standard deviation have the values' mean?"""
    apart = abs(float(np.mean(values.astype(np.float64))) - mean)
    return apart < SIGMAS * deviation / math.sqrt(values.size)
