"""A folder for ``task=arrays``: one file for each site, for each part, or for some of the rows.

A file's name is its site; so is that of a folder below, for all files in it. A file or a folder
that is called ``train`` or ``test`` is that part. Spark's part files have no site of their own.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from simulate.world.tables import Kind, Table, Words
from simulate.world.tables.splits import SPLIT, SPLITS

SITE = "site"
_WITHOUT_SITE = re.compile(r"part-\d+|data-\d+-of-\d+|\d+-of-\d+")
"""Files of Spark, Hugging Face and the like are pieces of one table."""
_NAMED_SITES = "sites have the names of the files, or of the folders that they lie in"


class JoinedTable:
    """The rows of ``parts``, each a table with what its place says of all of its rows.

    Raises:
        InvalidData: one lacks a column that the others have.
    """

    def __init__(
        self, source: str, parts: Sequence[tuple[Table, Mapping[str, str]]], notes: Sequence[str]
    ) -> None:
        self.source, self._parts = source, parts
        first = parts[0][0]
        own = list(dict.fromkeys(chain(*(table.names for table, _ in parts))))
        given = [name for name in (SITE, SPLIT) if any(name in said for _, said in parts)]
        self._given = [name for name in given if name not in own]
        self.names: Sequence[str] = (*own, *self._given)
        for table, _ in parts:
            _check_same(table, own, first.source)
        self.categories: Mapping[str, tuple[str, ...]] = dict(
            chain(*(table.categories.items() for table, _ in parts))
        )
        self.notes: Sequence[str] = [
            *notes,
            *([_NAMED_SITES] if SITE in self._given else ()),
            *dict.fromkeys(chain(*(table.notes for table, _ in parts))),
        ]

    def __len__(self) -> int:
        return sum(len(table) for table, _ in self._parts)

    def kind(self, name: str) -> Kind:
        """What most files have in the column, among those that have something there."""
        if name in self._given:
            return Kind.TEXT
        kinds = Counter(table.kind(name) for table, _ in self._parts)
        told = [kind for kind, _ in kinds.most_common() if kind != Kind.OTHER]
        return told[0] if told else Kind.OTHER

    def numbers(self, name: str) -> NDArray[Any]:
        """The numbers of all files, one after the other."""
        arrays = [table.numbers(name) for table, _ in self._parts]
        for array, (table, _) in zip(arrays, self._parts, strict=True):
            if array.shape[1:] != arrays[0].shape[1:]:
                raise InvalidData(
                    f"{table.source}: {name} of shape {array.shape}",
                    f"must have rows of shape {arrays[0].shape[1:]}, as {self._parts[0][0].source}",
                    "Cut the windows to one length",
                )
        return np.concatenate(arrays)

    def words(self, name: str) -> Words:
        """The whole numbers or texts of all files; texts, where one file has some."""
        if name in self._given:
            each = [np.full(len(table), said.get(name, "")) for table, said in self._parts]
            values_N = np.concatenate(each)
            return Words(values_N, values_N == "")
        words = [table.words(name) for table, _ in self._parts]
        values = [one.values_N for one in words]
        if any(array.dtype.kind == "U" for array in values):
            values = [array.astype(str) for array in values]
        return Words(np.concatenate(values), np.concatenate([one.missing_N for one in words]))

    def place(self, row: int) -> str:
        """The file, and the place in it."""
        for table, _ in self._parts:
            if row < len(table):
                name = table.source.removeprefix(self.source).lstrip("/")
                return f"{table.place(row)} of {name}"
            row -= len(table)
        raise IndexError(row)


def said_by(place: Path) -> dict[str, str]:
    """What a file's place below the folder says of its rows: the split, and the site."""
    names = [*place.parts[:-1], place.name.partition(".")[0]]
    parts = [SPLITS[name.lower()] for name in names if name.lower() in SPLITS]
    others = [name for name in names if name.lower() not in SPLITS]
    if others and _WITHOUT_SITE.match(others[-1]):
        others.pop()
    said = {SPLIT: parts[0]} if parts else {}
    return {**said, SITE: others[0]} if others else said


def _check_same(table: Table, names: Sequence[str], first: str) -> None:
    if missing := [name for name in names if name not in table.names]:
        raise InvalidData(
            f"{table.source}",
            f"has no column {', '.join(missing[:5])}, which other files beside it have",
            "Give all files the same columns, or move it out of the folder",
        )
