"""Counts of one site among those of the others: what it may claim, so that none decides a sum.

Sites count their own held-out windows, and nobody can check them. So a site's counts are cut to
what is possible (no more windows of a kind than windows, no fewer than none, each give or take the
plan's noise), more than twice the upper quartile of windows to the upper quartile, and each of its
shares to those of the others: as far from the median as twice the upper quartile of all distances,
and three standard errors. What is within these limits is not changed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from fl_server.rounds.outliers import FEWEST, upper_quartile
from fl_server.rounds.roster import Member

NOISE_LIMIT = 5.0
"""In standard deviations: an honest site's noise is above it once in three million times."""

SHARE_ERRORS = 3.0


@dataclass(frozen=True)
class Part:
    """A sum over windows: its noise's standard deviation, and the most that a window can add."""

    noise: float
    most: float = 1.0


@dataclass(frozen=True)
class Counts:
    """What a site counted: its windows, and its ``parts`` of them."""

    windows: float
    parts: tuple[float, ...]

    def share(self, part: int) -> float:
        """The part for each window."""
        return self.parts[part] / self.windows


def bounded(
    given: Mapping[int, Counts], windows_noise: float, parts: Sequence[Part]
) -> dict[int, Counts]:
    """``given`` by node, with the windows and the parts of each cut to the limits."""
    slack = NOISE_LIMIT * windows_noise
    quartile = upper_quartile(one.windows for one in given.values())
    possible = {node: _possible(one, quartile, slack, parts) for node, one in given.items()}
    known = [one for one in possible.values() if one.windows > SHARE_ERRORS * windows_noise]
    for place, part in enumerate(parts):
        middle, distance = _typical([one.share(place) for one in known])
        for node, one in possible.items():
            if one.windows > windows_noise and distance < math.inf:
                reach = distance + SHARE_ERRORS * _error(one, middle, windows_noise, part)
                possible[node] = _within(one, place, middle - reach, middle + reach)
    return possible


def cuts(
    given: Mapping[int, Counts], kept: Mapping[int, Counts], members: Iterable[Member]
) -> list[str]:
    """A line for each member whose counts were changed; without the counts, which may be exact."""
    return [
        f"{member}: its counts are cut, as they are impossible or far from the other sites'"
        for member in members
        if kept.get(member.node) != given.get(member.node)
    ]


def _possible(one: Counts, quartile: float, slack: float, parts: Sequence[Part]) -> Counts:
    """Within what any site can have counted, and no more windows than a typical site."""
    if one.windows < -slack:
        return Counts(0.0, (0.0,) * len(parts))
    windows = one.windows if one.windows <= 2 * quartile + slack else quartile
    factor = windows / one.windows if one.windows else 1.0
    return Counts(
        windows,
        tuple(
            _clamped(
                value * factor,
                -NOISE_LIMIT * part.noise,
                part.most * max(windows + slack, 0.0) + NOISE_LIMIT * part.noise,
            )
            for value, part in zip(one.parts, parts, strict=True)
        ),
    )


def _typical(shares: Iterable[float]) -> tuple[float, float]:
    """The median share, and how far from it one may lie; infinity for fewer than three."""
    listed = list(shares)
    if len(listed) < FEWEST:
        return 0.0, math.inf
    middle = median(listed)
    return middle, 2 * upper_quartile(abs(share - middle) for share in listed)


def _error(one: Counts, middle: float, windows_noise: float, part: Part) -> float:
    """Standard error of a site's share: from its sample of windows, and from noise."""
    spread = max(middle * (part.most - middle), 0.0) if math.isfinite(part.most) else middle**2
    noise = math.hypot(part.noise, middle * windows_noise) / one.windows
    return math.hypot(math.sqrt(spread / one.windows), noise)


def _within(one: Counts, place: int, lowest: float, highest: float) -> Counts:
    parts = list(one.parts)
    parts[place] = _clamped(parts[place], lowest * one.windows, highest * one.windows)
    return Counts(one.windows, tuple(parts))


def _clamped(value: float, lowest: float, highest: float) -> float:
    return min(max(value, lowest), highest)
