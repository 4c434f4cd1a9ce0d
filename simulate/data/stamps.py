"""A column of times beside the readings: its unit, its gaps, and whether rows are in its order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from fl_common.vocabulary import Doubles
from simulate.data.mistakes import Mistake
from simulate.world.tables import Kind, Table
from simulate.world.tables.roles import STAMPS, Roles, plain
from simulate.world.tables.suspects import STAMP_UNITS, unit_of_stamps

_GAP = 5
"""Steps of the median step that are a gap."""


@dataclass(frozen=True)
class Stamps:
    """The times of a column, and the rows in order by site."""

    name: str
    times_N: Doubles
    site_of_N: np.ndarray

    def told(self) -> str:
        """The column in one line."""
        unit = unit_of_stamps(self.times_N)
        if unit is None:
            return f"{self.name} is not in one unit since 1970"
        low, high = (_date(end, unit) for end in (np.nanmin(self.times_N), np.nanmax(self.times_N)))
        steps = np.concatenate([*self._steps()])
        usual = float(np.median(steps)) if len(steps) else 0.0
        gaps = int((steps > _GAP * usual).sum())
        often = f"mostly every {usual:g} {unit}, {gaps} gaps of over {_GAP * usual:g} {unit}"
        return f"{self.name} in {unit}, {low} to {high}, {often}"

    def mistakes(self) -> Iterator[Mistake]:
        """Units that differ from row to row, and rows that are not in order."""
        size_N = np.log10(np.maximum(self.times_N[~np.isnan(self.times_N)], 1)) // 3
        each = zip(STAMP_UNITS, (size_N == 3 + place for place in range(4)), strict=True)
        mixed = {unit: int(is_in_N.sum()) for unit, is_in_N in each if is_in_N.any()}
        if len(mixed) > 1:
            told = ", ".join(f"{count} in {unit}" for unit, count in mixed.items())
            yield Mistake(f"{self.name}: times in several units: {told}", "Write one unit")
        back = sum(bool((steps < 0).any()) for steps in self._steps())
        if back and mixed:
            what = f"{self.name}: rows of {back} sites are not in order of time"
            yield Mistake(what, "Sort them: the last fifth is the test set")

    def _steps(self) -> Iterator[np.ndarray]:
        for site in np.unique(self.site_of_N):
            own_N = self.times_N[self.site_of_N == site]
            yield np.diff(own_N[~np.isnan(own_N)])


def _date(time: float, unit: str) -> str:
    return datetime.fromtimestamp(time / STAMP_UNITS[unit], UTC).strftime("%Y-%m-%d %H:%M")


def stamps_of(table: Table, roles: Roles) -> Stamps | None:
    """The first column that is called like times and has numbers; None: there is none."""
    for name in table.names:
        if plain(name) in STAMPS and table.kind(name) == Kind.NUMBER:
            times_N = table.numbers(name).astype(np.float64)
            sites_N = table.words(roles.site).values_N if roles.site else np.zeros(len(times_N))
            return Stamps(name, times_N, sites_N) if len(sites_N) == len(times_N) else None
    return None
