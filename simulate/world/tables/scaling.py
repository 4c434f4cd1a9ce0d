"""``world.scale``: numbers, ``public`` (from ranges of a data sheet) or ``private`` (a survey)."""

from collections.abc import Sequence
from dataclasses import dataclass

from fl_common.errors import InvalidConfiguration
from simulate.world import DECLARED, PRIVATE, PUBLIC

Numbers = float | Sequence[float]
_SPREADS = 4
"""Of a range: readings that lie evenly in it have a standard deviation of a 3.5th."""
_LARGEST, _NARROWEST = 1e30, 1e-30
"""What float32, in which networks compute, has room for."""


@dataclass(frozen=True)
class Scaling:
    """Center and scale as numbers, one or one for each channel; None: 0 and 1. And their source."""

    source: str
    center: Numbers | None
    scale: Numbers | None


def scaling_of(
    center: Numbers | None, scale: Numbers | str | None, ranges: Sequence[object] | None
) -> Scaling:
    """What ``world.center``, ``world.scale`` and ``world.range`` say together.

    Raises:
        InvalidConfiguration: a word that is none, a range that is none, or one without its word.
    """
    if isinstance(scale, str) and scale not in (PRIVATE, PUBLIC):
        raise InvalidConfiguration(
            f"world.scale={scale}",
            f"must be a number, one for each channel, {PRIVATE} or {PUBLIC}",
            "Set world.scale=private, or leave it out",
        )
    if scale == PUBLIC:
        return _public(center, ranges)
    if ranges is not None:
        raise InvalidConfiguration(
            f"world.range={_shown(ranges)} with world.scale={scale}",
            "is used with world.scale=public alone",
            "Set world.scale=public, or leave world.range out",
        )
    if isinstance(scale, str):
        return Scaling(PRIVATE, center, None)
    return Scaling(DECLARED, center, scale)


def _public(center: Numbers | None, ranges: Sequence[object] | None) -> Scaling:
    if ranges is None or center is not None:
        raise InvalidConfiguration(
            f"world.scale=public with world.range={_shown(ranges)} and world.center={center}",
            "needs the least and the most that the sensor reads, and no center",
            "Set world.range=[-40,85], or one such pair for each channel",
        )
    is_one = not any(isinstance(pair, Sequence) and not isinstance(pair, str) for pair in ranges)
    ends = [_pair(pair) for pair in ([ranges] if is_one else ranges)]
    centers = [(low + high) / 2 for low, high in ends]
    scales = [(high - low) / _SPREADS for low, high in ends]
    if len(ends) == 1:
        return Scaling(PUBLIC, centers[0], scales[0])
    return Scaling(PUBLIC, centers, scales)


def _pair(pair: object) -> tuple[float, float]:
    if isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2:
        low, high = pair
        numbers = all(isinstance(end, int | float) and abs(end) <= _LARGEST for end in pair)
        if numbers and high - low >= _NARROWEST:
            return float(low), float(high)
    raise InvalidConfiguration(
        f"world.range with {_shown(pair)}",
        f"must be pairs of a number and a larger one, of up to {_LARGEST:g}, and {_NARROWEST:g}"
        " apart at least",
        "Set world.range=[-40,85], or one such pair for each channel",
    )


def _shown(value: object) -> str:
    return str(value)[:80]
