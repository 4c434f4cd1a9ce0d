"""npz files for ``task=arrays``: arrays of equally many rows, perhaps in parts for a test.

``x_train`` and ``x_test`` become one column ``x`` and a column ``split``; so do ``test_X``,
``Xtrain`` and the like.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from simulate.world.npz import read_plain
from simulate.world.tables import Kind, Words
from simulate.world.tables.splits import SPLIT, SPLITS
from simulate.world.tables.words import words_of

_WORDS = "|".join(sorted(SPLITS, key=len, reverse=True))
_PART = re.compile(
    rf"(?:(?P<before>{_WORDS})_?(?P<a>.+)|(?P<b>.+?)_?(?P<after>{_WORDS}))", re.IGNORECASE
)


class PackedTable:
    """The ``arrays`` of one file as columns; those in ``pickled`` hold objects and are not read."""

    def __init__(self, source: str, arrays: NamedArrays, pickled: Sequence[str]) -> None:
        self.source, self._pickled = source, tuple(pickled)
        self._columns, notes = _rows_of(_joined(arrays, source))
        self.notes: Sequence[str] = notes
        self.names: Sequence[str] = (*self._columns, *self._pickled)
        self.categories: Mapping[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return max((len(column) for column in self._columns.values()), default=0)

    def kind(self, name: str) -> Kind:
        """What the array holds, by its type and shape; OTHER where no number is finite."""
        if name in self._pickled or len(self._columns[name]) != len(self):
            return Kind.OTHER
        array = self._columns[name]
        if array.ndim == 1 and array.dtype.kind in "US":
            return Kind.TEXT
        if array.dtype.kind in "mM":
            return Kind.TIME
        if array.dtype.kind not in "iufb":
            return Kind.OTHER
        if array.dtype.kind == "f" and not np.isfinite(array).any():
            return Kind.OTHER
        return Kind.NUMBER if array.ndim == 1 else Kind.WINDOW

    def numbers(self, name: str) -> NDArray[Any]:
        """The array, of numbers."""
        array = self._plain(name)
        if array.dtype.kind not in "iufb":
            raise InvalidData(
                f"{self.source}: {name} of shape {array.shape} and type {array.dtype}",
                "must be numbers",
                "Write it so",
            )
        return array

    def words(self, name: str) -> Words:
        """The array as whole numbers or text."""
        return words_of(self._plain(name), name, self.source)

    def place(self, row: int) -> str:
        """The row, counted from 1."""
        return f"row {row + 1}"

    def _plain(self, name: str) -> NDArray[Any]:
        if name in self._pickled:
            raise InvalidData(
                f"{self.source}: {name}",
                "holds objects: those are pickles, which can run code when they are read",
                "Write plain numbers or strings with numpy.savez: text as numpy.array(texts, str)",
            )
        return self._columns[name]


def read_packed(path: Path) -> PackedTable:
    """The table in an npz file.

    Raises:
        InvalidData: it is damaged, or unpacks to more than memory has room for.
    """
    return PackedTable(str(path), *read_plain(path))


def _joined(arrays: NamedArrays, source: str) -> dict[str, NDArray[Any]]:
    """The arrays with the parts of one after the other, and ``split`` with the words of the parts.

    An array of which there is a part for only one of training and test stays as it is.
    """
    parts: dict[str, dict[str, str]] = {}
    for name in arrays:
        if match := _PART.fullmatch(name):
            word, base = match["before"] or match["after"], match["a"] or match["b"]
            parts.setdefault(base, {})[word.lower()] = name
    several = {base: found for base, found in parts.items() if len(found) > 1}
    words = sorted({word for found in several.values() for word in found}, key=_order)
    whole = {base: found for base, found in several.items() if len(found) == len(words)}
    if not whole:
        return dict(arrays)
    used = {name for found in whole.values() for name in found.values()}
    columns = {name: array for name, array in arrays.items() if name not in used}
    lengths = dict.fromkeys(words, 0)
    for base, found in whole.items():
        each = [np.atleast_1d(arrays[found[word]]) for word in words]
        columns[base] = _concatenated(each, [found[word] for word in words], source)
        lengths = {word: len(one) for word, one in zip(words, each, strict=True)}
    return {**columns, SPLIT: np.repeat(np.array(words), list(lengths.values()))}


def _order(word: str) -> tuple[bool, str]:
    return word.startswith("te"), word


def _concatenated(arrays: list[NDArray[Any]], names: list[str], source: str) -> NDArray[Any]:
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1:
        rows = " and ".join(
            f"{name} {array.shape}" for name, array in zip(names, arrays, strict=True)
        )
        raise InvalidData(f"{source}: {rows}", "must have rows of one shape", "Write them so")
    return np.concatenate(arrays)


def _rows_of(arrays: NamedArrays) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays that have no axis, or only one value, are no columns: they are left out."""
    longest = max((len(array) for array in arrays.values() if array.ndim), default=0)
    columns = {name: np.atleast_1d(array) for name, array in arrays.items()}
    beside = [name for name, array in arrays.items() if array.ndim == 0 and longest > 1]
    notes = [f"left out, as no column of rows: {', '.join(beside)}"] if beside else []
    return {name: column for name, column in columns.items() if name not in beside}, notes
