"""Time stamps of payloads: as sent, to nanoseconds since 1970; and which ones can't be right."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.numbers import number_of
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers

ARRIVAL = "arrival"
"""What ``time`` of a decoder says if a payload has no stamp: a reading is of when it arrived."""
ISO = "iso"
"""The unit of stamps that are ISO 8601 with a zone, such as ``2023-11-14T22:13:20.5+01:00``."""

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Units that time stamps may be in."""

_LATEST_SECONDS = 9_200_000_000  # the year 2261, the last within int64 nanoseconds
FIRST_NS = 946_684_800 * 10**9  # the year 2000: no sensor's reading is older
_FEW = 64  # times; few avoid numpy's fixed cost
_LIKELY_S = range(1_420_070_400, 2_524_608_000)  # from 2015 to 2050
_LAST_NS = _LIKELY_S.stop * 10**9
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,30}))?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def check_time(time: str, unit: str | None) -> None:
    """Check that ``unit`` is one of time stamps at ``time``, or None where it is ``ARRIVAL``.

    Raises:
        InvalidConfiguration: it is not.
    """
    if time == ARRIVAL:
        if unit is not None:
            remedy = "Set it to null, or time to the place of the stamp"
            rule = f"has no meaning with time={ARRIVAL}"
            raise InvalidConfiguration(f"time_unit={unit}", rule, remedy)
    else:
        check_time_unit(unit)


def check_time_unit(unit: object) -> None:
    """Check that ``unit`` is a unit of time stamps.

    Raises:
        InvalidConfiguration: it is not one.
    """
    if unit != ISO and unit not in NANOSECONDS:
        rule = f"must be one of {', '.join(NANOSECONDS)}, {ISO}"
        raise InvalidConfiguration(f"time_unit={unit}", rule, "Set the unit of the time stamps")


def nanoseconds(seconds: ArrayLike) -> Integers:
    """Times in seconds since 1970 as nanoseconds (N,), to the precision of float64: 0.3 us.

    Raises:
        InvalidPayload: before 1970, after 2261, or not a number.
    """
    return _scaled(np.asarray(seconds, np.float64), 10**9)


def stamps(values: Sequence[object], unit: str) -> Integers:
    """Time stamps as sent, in ``unit``, as nanoseconds (N,); whole numbers stay exact.

    A number may be sent as text.

    Raises:
        InvalidPayload: a value is not a time.
    """
    kinds = set(map(type, values))
    if not kinds <= {int, float}:
        if unit == ISO or kinds & {datetime}:
            return np.array([_moment(value) for value in values], np.int64)
        values = [_number(value) for value in values]
        kinds = set(map(type, values))
    elif unit == ISO:
        raise InvalidPayload("time", "a time stamp is a number, not text of ISO 8601")
    factor = NANOSECONDS[unit]
    try:
        if float in kinds:
            return _scaled(np.array(values, np.float64), factor)
        first, last = min(values), max(values)  # type: ignore[type-var]
        if not 0 <= first <= last <= _LATEST_SECONDS * 10**9 // factor:  # type: ignore[operator]
            raise unlikely((first if first < 0 else last) * factor)  # type: ignore[operator]
        return np.array([value * factor for value in values], np.int64)  # type: ignore[operator]
    except OverflowError:
        raise unlikely(float("inf")) from None


def _scaled(times_N: NDArray[np.float64], factor: int) -> Integers:
    """Times in units of ``factor`` nanoseconds; the whole units stay exact."""
    right_N = (times_N >= 0) & (times_N < _LATEST_SECONDS * 10**9 / factor)  # NaN is neither
    if not right_N.all():
        raise unlikely(float(times_N[~right_N][0]) * factor)
    whole_N = np.floor(times_N)
    parts_N = ((times_N - whole_N) * factor).round().astype(np.int64)
    return whole_N.astype(np.int64) * factor + parts_N


def check_times(times_N: Integers) -> None:
    """Refuse stamps (N, at least one) before 2000 or after 2050, whatever the box's clock reads.

    Raises:
        InvalidPayload: with the likely cause as its reason.
    """
    if len(times_N) == 1:
        first = last = times_N.item()
    elif len(times_N) <= _FEW:
        times = times_N.tolist()
        first, last = min(times), max(times)
    else:
        first, last = int(times_N.min()), int(times_N.max())
    if first < FIRST_NS:
        raise unlikely(first)
    if last >= _LAST_NS:
        raise unlikely(last)


def unlikely(stamp_ns: float) -> InvalidPayload:
    """The error of a stamp that can't be right, by what would put it right."""
    for factor in (10**3, 10**6, 10**9):
        for larger, found in (("larger", stamp_ns * factor), ("smaller", stamp_ns / factor)):
            if _is_likely(found):
                return InvalidPayload(
                    "time_unit",
                    f"a time stamp would be right if it were {factor:,} times {larger}: compare"
                    " time_unit with what is sent",
                )
    if isinstance(stamp_ns, int) and _is_likely(_reversed(stamp_ns)):
        detail = "a time stamp would be right with its bytes in reverse: compare byte_order"
        return InvalidPayload("byte_order", f"{detail} with what is sent")
    if not 0 <= stamp_ns < _LATEST_SECONDS * 10**9:  # NaN is neither
        return InvalidPayload("time", "a time stamp lies outside 1970 to 2261")
    if stamp_ns < FIRST_NS:
        return InvalidPayload("past", "a time stamp lies before 2000: is the sensor's clock set?")
    return InvalidPayload("future", "a time stamp lies after 2050: is the sensor's clock set?")


def _is_likely(stamp_ns: float) -> bool:
    return _LIKELY_S.start <= stamp_ns / 1e9 < _LIKELY_S.stop


def _reversed(stamp_ns: int) -> int:
    try:
        return int.from_bytes(stamp_ns.to_bytes(8, "little", signed=True), "big", signed=True)
    except OverflowError:
        return 0


def _number(value: object) -> float | int:
    if isinstance(value, str) and (number := number_of(value)) is not None:
        return number
    if isinstance(value, Decimal) and not value.is_snan():
        return float(value)
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    raise InvalidPayload("time", "a time stamp is missing, or no number")


def _moment(value: object) -> int:
    """Nanoseconds since 1970 of an ISO 8601 text, or of CBOR's own times."""
    if isinstance(value, str):
        return _iso(value.strip())
    if isinstance(value, datetime) and value.tzinfo is not None:
        whole = value.replace(microsecond=0).timestamp()
        return round(whole) * 10**9 + value.microsecond * 1000
    raise InvalidPayload("time", "a time stamp is missing, or no text of ISO 8601")


def _iso(text: str) -> int:
    if not (found := _MOMENT.fullmatch(text)):
        raise InvalidPayload("time", "a time stamp is not ISO 8601 with date, time and zone")
    day, clock, fraction, zone = found.groups()
    if not zone:
        detail = "a time stamp has no zone, so it may mean any: let the sensor send one"
        raise InvalidPayload("time", f"{detail}, or use time: {ARRIVAL}")
    try:
        seconds = round(datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").timestamp())
    except (OverflowError, ValueError):
        raise InvalidPayload("time", "a time stamp is no date that exists") from None
    stamp = seconds * 10**9 + int((fraction or "").ljust(9, "0")[:9])
    if not 0 <= stamp < _LATEST_SECONDS * 10**9:
        raise unlikely(stamp)
    return stamp
