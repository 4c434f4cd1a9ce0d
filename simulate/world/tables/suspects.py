"""What is no measurement or no name: the row's number, stamps of time, and a row as heading."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAMP_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FROM_S, _TO_S = 978_307_200, 4_102_444_800
"""2001 and 2100, in seconds since 1970."""


def is_index(values_N: NDArray[Any]) -> bool:
    """Whether the numbers count the rows, by one from row to row."""
    return len(values_N) > 2 and bool((np.diff(values_N.astype(np.float64)) == 1).all())


def unit_of_stamps(values_N: NDArray[Any]) -> str | None:
    """The unit in which all numbers are times since 1970 of this century; None: in none of them."""
    there_N = values_N[~np.isnan(values_N.astype(np.float64))].astype(np.float64)
    if not len(there_N):
        return None
    low, high = float(there_N.min()), float(there_N.max())
    for unit, each in STAMP_UNITS.items():
        if low >= _FROM_S * each and high <= _TO_S * each:
            return unit
    return None


def numbers_among(names: Sequence[str]) -> list[float]:
    """Those of the names that are numbers: a heading with some may be a row of the data."""
    found = []
    for name in names:
        with suppress(ValueError):
            found.append(float(name.replace(",", ".")))
    return found
