"""Gaussian noise from the operating system's generator, and checks of drawn noise."""

import math
import os

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import PrivacyViolation

_LOG_ALARM = 30.0


def system_normals(size: int) -> NDArray[np.float64]:
    """``size`` standard normal numbers from ``os.urandom`` by Box and Muller (1958).

    Each value is the sum of four independent normals over two, which hides the floating-point
    grid that a single one shows (Holohan and Braghin 2021, section 5.1; Mironov 2012).
    """
    pairs = 2 * size
    words = np.frombuffer(os.urandom(16 * pairs), dtype=np.uint64).reshape(2, pairs)
    uniform_2P = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius_P = np.sqrt(-2 * np.log(uniform_2P[0]))
    angle_P = 2 * math.pi * uniform_2P[1]
    normals = np.concatenate([radius_P * np.cos(angle_P), radius_P * np.sin(angle_P)])
    return np.asarray(normals.reshape(4, size).sum(0) / 2)


def check_standard_normal(sum_of_squares: float, count: int) -> None:
    """Raise PrivacyViolation unless ``count`` standard normals may have this sum of squares.

    Detects a generator that returns zeros or has the wrong scale; can't prove one correct. Bounds
    from Laurent and Massart (2000), Lemma 1, at a false alarm rate of 2 e^-30.
    """
    lowest = max(count - 2 * math.sqrt(count * _LOG_ALARM), 0.0)
    highest = count + 2 * math.sqrt(count * _LOG_ALARM) + 2 * _LOG_ALARM
    if not lowest < sum_of_squares < highest:
        variance = sum_of_squares / count
        raise PrivacyViolation(
            f"the noise has a variance of {variance:.3g} where 1 is due, over {count} numbers:"
            " the generator is not a standard normal one. The update is withheld."
        )
