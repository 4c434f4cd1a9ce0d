"""What a function asks a model, and gets: numbers of 32 bits, of windows whose shape it says.

A function has no model of its own. Whoever runs it says which one answers: a box the model that it
serves, ``fl-fn run`` that of the recording, a case of ``cases.jsonl`` what was written down.

numpy is imported where it is used: it may start threads, and the wall is built around one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fl_common.errors import InvalidData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_NUMBERS = 1 << 17
"""Of one question, and of its answer: half a megabyte."""
_MOST_SIZES = 8

Numbers: TypeAlias = "NDArray[np.float32]"
Reply: TypeAlias = "Numbers | str"
"""Answers, or why there are none."""
Model = Callable[[Numbers], Numbers]
"""Answers (N, ...) to windows (N, ...). Raises BadInput where it can't, whose words are told."""


@dataclass(frozen=True)
class Asker:
    """Who asks a network: a function by its key, of a stream's window that begins then."""

    function: int
    stream: str
    start_ns: int


def shaped(values: Numbers, shape: Sequence[int]) -> Numbers:
    """The question as windows of this ``shape``, (N, ...).

    Raises:
        InvalidData: it is too large, or there are not so many values.
    """
    shown = " x ".join(map(str, shape[:_MOST_SIZES])) or "none"
    fits = 1 <= len(shape) <= _MOST_SIZES and all(size >= 0 for size in shape)
    if not fits or math.prod(shape) != len(values):
        rule = f"are not of the shape {shown}"
        raise InvalidData(f"{len(values):,} values", rule, "Give the number of windows first")
    if not 0 < len(values) <= MOST_NUMBERS:
        rule = f"can't be asked at a time; from 1 to {MOST_NUMBERS:,} can"
        raise InvalidData(f"{len(values):,} values", rule, "Ask in pieces")
    return values.reshape(shape)


def checked(answers: Numbers) -> Numbers:
    """What a model answered, as one row.

    Raises:
        InvalidData: it is more than a function can be told.
    """
    import numpy as np

    row = np.asarray(answers, dtype=np.float32).ravel()
    if len(row) > MOST_NUMBERS:
        rule = f"is more than a function can be told ({MOST_NUMBERS:,})"
        raise InvalidData(f"an answer of {len(row):,} numbers", rule, "Ask about fewer windows")
    return row


def no_model(_values: Numbers) -> Numbers:
    """Where there is none. Raises InvalidData."""
    raise InvalidData("no model", "answers here", "Ask in handle, where a model serves")


def repeated(answers: Sequence[Reply]) -> Model:
    """A model that answers once more what it has answered (or why it did not), in order."""
    left = iter(answers)

    def answer(_values: Numbers) -> Numbers:
        again = next(left, "no more answers")
        if isinstance(again, str):
            raise InvalidData(again, "", "")
        return again

    return answer
