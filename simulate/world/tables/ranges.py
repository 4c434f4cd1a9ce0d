"""The range of a reading: networks compute in float32, and a larger number is no missing one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats

Place = Callable[[int], str]
"""Where a person finds a row, which is counted from 0: ``line 12``, or ``row 11`` from 1."""
_LARGEST = float(np.finfo(np.float32).max)


def narrowed(x: NDArray[Any], what: str, place: Place) -> Floats:
    """``x`` (N, ...) as float32; what was infinite or NaN stays so.

    Raises:
        InvalidData: a number is finite, and beyond that range.
    """
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(x, dtype=np.float32)
    beyond = np.isinf(narrow)
    if beyond.any():
        beyond &= np.isfinite(x)
    if beyond.any():
        row = int(beyond.reshape(len(x), -1).any(axis=1).argmax())
        raise beyond_range(f"{what} of {place(row)}", f"{x[row][beyond[row]].flat[0]:g}")
    return narrow


def beyond_range(what: str, value: str) -> InvalidData:
    """What to say of the number ``value``."""
    return InvalidData(
        f"{what}, {value}",
        f"must be within {_LARGEST:.1e}, the range of float32 in which networks compute",
        "Correct it, or write the channel in a larger unit; where there is no reading, write NaN",
    )
