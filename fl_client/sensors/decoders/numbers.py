"""Checked conversion of payloads' numbers: times to nanoseconds, values to columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fl_client.sensors import InvalidPayload
from fl_common.vocabulary import Integers

_LATEST_SECONDS = 9_200_000_000  # the year 2261, the last within int64 nanoseconds

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Units that time stamps may be in."""


_NUMBERS = frozenset({int, float, type(None)})


def nanoseconds(seconds: ArrayLike) -> Integers:
    """Times in seconds since 1970 as nanoseconds (N,), to the precision of float64: 0.3 us.

    Raises:
        InvalidPayload: before 1970, after 2261, or not a number.
    """
    times_N = np.asarray(seconds, np.float64)
    if not ((times_N >= 0) & (times_N < _LATEST_SECONDS)).all():  # NaN is neither
        raise InvalidPayload("time", "a time stamp lies outside 1970 to 2261")
    return (times_N * 1e9).round().astype(np.int64)


def stamps(values: Sequence[object], unit: str) -> Integers:
    """Time stamps as sent, in ``unit``, as nanoseconds (N,); whole numbers stay exact.

    Raises:
        InvalidPayload: a value is not a time.
    """
    kinds = set(map(type, values))
    if not kinds <= {int, float}:
        raise InvalidPayload("time", "a time stamp is no number")
    factor = NANOSECONDS[unit]
    try:
        if float in kinds:
            return nanoseconds(np.array(values, np.float64) * (factor / 1e9))
        first, last = min(values), max(values)  # type: ignore[type-var]
        if not 0 <= first <= last <= _LATEST_SECONDS * 10**9 // factor:  # type: ignore[operator]
            raise OverflowError
        return np.array([value * factor for value in values], np.int64)  # type: ignore[operator]
    except OverflowError:
        raise InvalidPayload("time", "a time stamp lies outside 1970 to 2261") from None


def columns(rows: Sequence[Sequence[object]], width: int) -> NDArray[np.float64]:
    """Rows of numbers or None (missing) as (N, C); NaN where missing.

    Raises:
        InvalidPayload: a value of another type.
    """
    for row in rows:
        if not _NUMBERS.issuperset(map(type, row)):
            raise InvalidPayload("type", "a value is no number")
    try:
        return np.array(rows, np.float64).reshape(len(rows), width)
    except (OverflowError, ValueError):
        raise InvalidPayload("number", "a number is too large") from None


def places(fields: Sequence[str], names: Sequence[str]) -> list[int]:
    """The index of each of ``fields`` among the ``names`` of a payload's columns.

    Raises:
        InvalidPayload: there is no such column, so no payload has the field.
    """
    if missing := sorted(set(fields) - set(names)):
        raise InvalidPayload("columns", f"no column is declared for {', '.join(missing)[:200]}")
    return [names.index(field) for field in fields]
