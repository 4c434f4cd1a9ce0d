"""How far one site's value may lie above the others': a limit that a few sites can't raise."""

import math
from collections.abc import Iterable

FEWEST = 3
"""With fewer values there is no majority to compare one with."""

_TOLERANCE = 2.0


def upper_quartile(values: Iterable[float]) -> float:
    """The value at three quarters of the sorted ``values``, rounded down; infinity below three.

    Of n values, ``ceil((n - 1) / 4)`` may be as large as they like: the result is still at most one
    of the others.
    """
    ordered = sorted(values)
    if len(ordered) < FEWEST:
        return math.inf
    return ordered[math.floor(0.75 * (len(ordered) - 1))]


def cut(value: float, quartile: float) -> float:
    """``value``, or ``quartile`` instead of a value above twice of it."""
    return quartile if value > _TOLERANCE * quartile else value
