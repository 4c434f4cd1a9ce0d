"""Tables of ``task=arrays`` as people have them: one form for every kind of file and folder.

``opened`` finds the reader of a file; each reader makes a ``Table``. ``roles`` says which column is
the label, the site and the split, by what is declared or by plain names, ``rows`` reads these, and
``missing`` decides about readings that are not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


class Kind(Enum):
    """What a column holds in each row."""

    NUMBER = auto()
    """One number, or none."""
    WINDOW = auto()
    """An array of numbers: a whole window, or all readings of one channel."""
    TEXT = auto()
    TIME = auto()
    """A date or a time of day, by its type."""
    OTHER = auto()
    """Nothing in any row, no finite number in any, or what is neither."""


@dataclass(frozen=True)
class Words:
    """One whole number or text per row (N,), and where there is none."""

    values_N: NDArray[Any]
    missing_N: Flags


class Table(Protocol):
    """Rows with named columns; a column is read when it is asked for.

    ``source`` is the file or folder, for messages. ``categories`` has the names of a column's
    values 0, 1, ... where the file tells them, and ``notes`` what a reader left out or guessed.
    """

    source: str
    names: Sequence[str]
    categories: Mapping[str, tuple[str, ...]]
    notes: Sequence[str]

    def __len__(self) -> int: ...

    def kind(self, name: str) -> Kind:
        """What the column holds."""
        ...

    def numbers(self, name: str) -> NDArray[Any]:
        """The column's numbers (N,) or (N, ...), NaN where there is none.

        Raises:
            InvalidData: a value that is no number, or rows of different shapes.
        """
        ...

    def words(self, name: str) -> Words:
        """The column's whole numbers or texts.

        Raises:
            InvalidData: neither, in some row.
        """
        ...

    def place(self, row: int) -> str:
        """Where a person finds a row, which is counted from 0: ``line 12``, or ``row 11``."""
        ...
