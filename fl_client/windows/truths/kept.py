"""Windows as a store keeps them, each with what people told of it."""

from dataclasses import dataclass

from fl_common.vocabulary import Floats, Integers

Told = int | float | bytes | None
"""What people told of a window, in the form in which it is kept; None: nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """N windows by their starts: their streams, ``values_NTC``, and what people told of each."""

    starts_N: Integers
    values_NTC: Floats
    streams: tuple[str, ...]
    told: tuple[Told, ...]
