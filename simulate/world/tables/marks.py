"""Which windows are known to be anomalous: read from a column, and kept from training."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Integers
from models.kinds.anomaly import ANOMALOUS, NORMAL, UNKNOWN, mark_of
from simulate.world.lazy import check_count
from simulate.world.partition import Rule
from simulate.world.tables import Flags, Table, Words
from simulate.world.tables.division import Division, divide
from simulate.world.tables.rows import Rows

MARKED = {ANOMALOUS: "anomalous", NORMAL: "normal", UNKNOWN: "not known"}
"""What each mark says, in words."""


def marks_in(table: Table, name: str | None) -> Words:
    """1 for a row that is anomalous, 0 for a normal one, -1 where nobody knows; none is missing.

    ``name`` is the column of labels; None: nobody knows of any.

    Raises:
        InvalidData: a label that says neither.
    """
    none_missing_N = np.zeros(len(table), np.bool_)
    if name is None:
        return Words(np.full(len(table), UNKNOWN, np.int64), none_missing_N)
    words = table.words(name)
    found, index_N = np.unique(words.values_N, return_inverse=True)
    named = [_named(table, name, str(word)) for word in found.tolist()]
    marks = [mark_of(word) for word in named]
    odd = [word for word, mark in zip(named, marks, strict=True) if mark is None]
    if odd:
        raise InvalidData(
            f"{table.source}: {name} {odd[0]!r}",
            "must be 1, true or anomaly for an anomalous row, 0, false or normal for a normal one,"
            " -1 or nothing where nobody knows",
            "Write it so, or set data.label=none: then it is for nothing",
        )
    marks_N = np.array(marks, np.int64)[index_N]
    return Words(np.where(words.missing_N, UNKNOWN, marks_N), none_missing_N)


def _named(table: Table, name: str, word: str) -> str:
    """What the file calls a number, where it says so."""
    names = table.categories.get(name)
    return names[int(word)] if names is not None and word.isdecimal() else word


def divide_normal(
    rows: Rows, marks_N: Integers, sites: int | None, rule: Rule, shared: int
) -> Division:
    """As ``divide``, but no row that is known to be anomalous is trained on.

    Without a split all of those are for the test, with one those that it holds out.

    Raises:
        InvalidData, InvalidConfiguration: as ``divide``.
    """
    if sites is not None:
        check_count(sites)
    odd_N = marks_N == ANOMALOUS
    normal_rows = np.flatnonzero(~odd_N)
    site_N, held_out_N = rows.site_N, rows.held_out_N
    others = Rows(
        rows.source,
        rows.x,
        rows.y_N[normal_rows],
        None if site_N is None else site_N[normal_rows],
        None if held_out_N is None else held_out_N[normal_rows],
        rows.channels,
        rows.labels,
        rows.notes,
    )
    found = divide(others, np.zeros(len(normal_rows), np.int64), sites, rule, shared)
    tested_N = odd_N if held_out_N is None else odd_N & held_out_N
    if site_N is not None and held_out_N is None:
        tested_N = tested_N & np.isin(site_N.astype("U"), np.array(found.sites))
    odd_rows = np.flatnonzero(tested_N)
    test_rows = np.concatenate([normal_rows[found.test_rows], odd_rows])
    group_of, groups = _groups(site_N, test_rows, found)
    return Division(
        found.sites,
        normal_rows[found.train_rows],
        found.places_of,
        test_rows,
        group_of,
        groups,
        (*found.notes, *_told(marks_N, odd_N, tested_N)),
    )


def _groups(
    site_N: NDArray[np.generic] | None, test_rows: Integers, found: Division
) -> tuple[Integers, tuple[str, ...]]:
    if site_N is None:
        return np.zeros(len(test_rows), np.int64), found.groups
    names, group_of = np.unique(site_N[test_rows], return_inverse=True)
    return group_of, tuple(map(str, names.tolist()))


def _told(marks_N: Integers, odd_N: Flags, tested_N: Flags) -> Iterator[str]:
    odd, tested = int(odd_N.sum()), int(tested_N.sum())
    if odd:
        yield (
            f"{odd} rows are known to be anomalous, and are not trained on: {tested} are for the"
            f" test, {odd - tested} are left out"
        )
    if not tested:
        yield "no row for the test is known to be anomalous: how well they are found is not known"
    if odd and (unknown := int((marks_N == UNKNOWN).sum())):
        yield f"of {unknown} rows nobody knows: they count as normal"
