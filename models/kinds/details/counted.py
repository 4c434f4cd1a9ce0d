"""What follows from the windows of each of K labels: (3, K) found, missed, and named wrongly."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles
from models.kinds.details.protocol import CLEAR, Estimate


def is_clear(sums_M: Doubles, variances_M: Doubles) -> NDArray[np.bool_]:
    """Which labels (K,) have windows beyond the noise; without noise, those that have any."""
    (found_K, missed_K, _), variances = sums_M.reshape(3, -1), variances_M.reshape(3, -1)
    return np.asarray(found_K + missed_K > CLEAR * np.sqrt(variances[0] + variances[1]))


def unclear(labels: Sequence[str], sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
    """The other labels, by name."""
    clear_K = is_clear(sums_M, variances_M)
    return tuple(name for name, clear in zip(labels, clear_K, strict=True) if not clear)


def mean_f1(counts: Doubles, variances: Doubles) -> Estimate:
    """The mean F1 of labels, each with windows, by their counts and the variances of these."""
    found_K, missed_K, wrong_K = counts
    either_K = np.maximum(2 * found_K + missed_K + wrong_K, found_K + missed_K)
    by = np.stack([2 * (missed_K + wrong_K), -2 * found_K, -2 * found_K]) / either_K**2
    return mean_share(2 * found_K / either_K, by, variances)


def mean_share(shares_K: Doubles, by: Doubles, variances: Doubles) -> Estimate:
    """The mean of shares; ``by`` are their derivatives by counts with these variances, (3, K)."""
    error = float(np.sqrt(np.sum(by**2 * variances))) / len(shares_K)
    return Estimate(float(shares_K.clip(0.0, 1.0).mean()), error)
