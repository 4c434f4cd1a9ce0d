"""Fields of a sensor that are declared and never sent; and where a decoder fails."""

import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ENOUGH = 20
"""Messages with gaps after which a field that none had is taken for a wrong name."""


class Lacking:
    """Which of a sensor's ``fields`` no message has had so far; true while there are any."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._left, self._messages = dict(enumerate(fields)), 0

    def __bool__(self) -> bool:
        return bool(self._left)

    def has_all(self) -> None:
        """A message has every field."""
        self._left.clear()

    def has(self, there_NC: NDArray[np.bool_]) -> None:
        """A message has, of each field (axis C), the values (axis N) that are true."""
        if not self._left:
            return
        left = self._left.items()
        self._left = {place: name for place, name in left if not there_NC[:, place].any()}
        self._messages += 1

    def fields(self) -> tuple[str, ...]:
        """The fields, once there were enough messages to say that they are lacking."""
        return tuple(self._left.values()) if self._messages >= _ENOUGH else ()


def place_of(error: Exception, fields: Sequence[str]) -> str:
    """Where ``error`` was raised, and for which of ``fields`` if it names one; none of its text."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"with {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
    named = [field for field in fields if field in map(str, error.args)] or fields
    return f"{place}, for {', '.join(named)[:200]}"
