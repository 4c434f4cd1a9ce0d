"""Stamps of a recording in nanoseconds: since 1970, or since its beginning."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.windows import SECOND
from fl_common.errors import InvalidData
from fl_common.vocabulary import Integers
from simulate.world.tables import Kind, Table
from simulate.world.tables.suspects import STAMP_UNITS, unit_of_stamps

BEGIN_NS = 10**18
"""The beginning of a recording that counts from there: in 2001, the earliest time on a box."""
_ALIKE = 4.0
"""A median step that differs by less from the task's period is in the unit that is tried."""


@dataclass(frozen=True)
class Times:
    """The stamps of the rows, ``unit`` of the numbers that they were, and that in words."""

    times_N: Integers
    unit: str | None
    told: str


def times_of(
    table: Table,
    name: str | None,
    rate_hz: float,
    unit: str | None,
    otherwise: str | None = None,
) -> Times:
    """The stamps of the rows.

    ``name`` is their column; None: the rows follow each other at ``rate_hz``. ``unit`` is declared,
    or else known from numbers since 1970, or ``otherwise``, or from the step that a rate of
    ``rate_hz`` has. Numbers that are not since 1970 count from one beginning for all.

    Raises:
        InvalidData: stamps that are missing, or whose unit can't be known.
    """
    if name is None:
        rows_N = np.arange(len(table))
        periods_N = np.round(rows_N * SECOND / rate_hz).astype(np.int64)
        return Times(BEGIN_NS + periods_N, None, "one row a period, as there is no column of times")
    if table.kind(name) != Kind.NUMBER:
        return Times(_dates(table, name), None, f"dates in {name}")
    times_N = table.numbers(name)
    if np.isnan(times_N.astype(np.float64)).any():
        row = int(np.isnan(times_N.astype(np.float64)).argmax())
        raise InvalidData(f"{table.source}: {name} of row {row}", "is missing", "Remove the row")
    since_1970 = unit_of_stamps(times_N)
    found = unit or since_1970 or otherwise or _unit_by_step(times_N, rate_hz)
    if found is None:
        raise InvalidData(
            f"{table.source}: {name}, from {times_N.min():g} to {times_N.max():g}",
            f"has times in a unit that can't be known at {rate_hz:g} readings a second",
            "Say it: --unit s, ms, us or ns",
        )
    each_ns = SECOND // STAMP_UNITS[found]
    if since_1970 == found:
        return Times(_scaled(times_N, each_ns), found, f"{name} in {found} since 1970")
    return Times(BEGIN_NS + _scaled(times_N, each_ns), found, f"{name} in {found} of its own")


def _scaled(times_N: NDArray[Any], each_ns: int) -> Integers:
    if times_N.dtype.kind in "iub":
        return times_N.astype(np.int64) * each_ns
    whole_N = np.floor(times_N.astype(np.float64))
    rest_N = np.round((times_N - whole_N) * each_ns).astype(np.int64)
    return whole_N.astype(np.int64) * each_ns + rest_N


def _unit_by_step(times_N: NDArray[Any], rate_hz: float) -> str | None:
    steps_N = np.diff(np.unique(times_N.astype(np.float64)))
    if not len(steps_N):
        return None
    seconds = {unit: float(np.median(steps_N)) / each for unit, each in STAMP_UNITS.items()}
    found = {
        unit: abs(np.log(step * rate_hz))
        for unit, step in seconds.items()
        if 1 / _ALIKE < step * rate_hz < _ALIKE
    }
    return min(found, key=lambda unit: found[unit], default=None)


def _dates(table: Table, name: str) -> Integers:
    """Dates of ISO 8601, without a zone in UTC."""
    words = table.words(name)
    times = []
    for row, text in enumerate(map(str, words.values_N.tolist())):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidData(
                f"{table.source}: {name} of row {row}, {text[:40]!r}",
                "must be a number, or a date such as 2026-01-31T12:00:00.020Z",
                "Correct it, or remove the row",
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        whole = int(moment.replace(microsecond=0).timestamp())
        times.append(whole * SECOND + moment.microsecond * 1000)
    return np.array(times, np.int64)
