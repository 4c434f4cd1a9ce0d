"""Sites and test rows of a table: by its columns, or by a rule where no column says the site."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Integers
from simulate.world.lazy import NumberedSites, check_count, number_of_sites
from simulate.world.partition import Column, Iid, Rule
from simulate.world.tables.rows import Rows

_FIFTH = 5


@dataclass(frozen=True)
class Division:
    """The sites' names, all training rows, and the test rows with the index of each one's group.

    ``places_of`` a site are the places of its rows in ``train_rows``: a slice where they lie
    together, so that its windows are views.
    """

    sites: Sequence[str]
    train_rows: Integers
    places_of: Callable[[int], slice | Integers]
    test_rows: Integers
    group_of: Integers
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()


def divide(rows: Rows, labels_N: Integers, sites: int | None, rule: Rule, shared: int) -> Division:
    """The rows by their column of sites, or by ``rule``; ``shared`` neighbours share readings.

    Raises:
        InvalidData: no row for training, or none for the test.
        InvalidConfiguration: no column and no number of sites, more sites than there can be, or a
            ``rule`` beside a column.
    """
    if rows.site_N is None:
        return _by_rule(rows, labels_N, sites, rule, shared)
    if not isinstance(rule, Column) or rule.samples_per_site is not None:
        raise InvalidConfiguration(
            f"partition={_name(rule)} for {rows.source}",
            "divides rows of which no column says the site, and one does",
            "Leave partition out, or give data.site=none to divide the rows anyway",
        )
    return _by_column(rows, rows.site_N, sites, shared)


def _by_column(rows: Rows, site_N: NDArray[Any], sites: int | None, shared: int) -> Division:
    order_N = np.argsort(site_N, kind="stable")
    held_out_N = rows.held_out_N
    if held_out_N is None:
        train_rows, test_rows = _last_fifths(site_N, order_N, shared)
    else:
        train_rows, test_rows = order_N[~held_out_N[order_N]], order_N[held_out_N[order_N]]
    _check_both(rows.source, train_rows, test_rows)
    existing, first, counts = np.unique(site_N[train_rows], return_index=True, return_counts=True)
    chosen = existing[: number_of_sites(sites, len(existing), "arrays")]
    if held_out_N is None:
        test_rows = test_rows[np.isin(site_N[test_rows], chosen)]
    groups, group_of = np.unique(site_N[test_rows], return_inverse=True)

    def places_of(site: int) -> slice:
        return slice(first[site], first[site] + counts[site])

    return Division(_names(chosen), train_rows, places_of, test_rows, group_of, _names(groups))


def _by_rule(
    rows: Rows, labels_N: Integers, sites: int | None, rule: Rule, shared: int
) -> Division:
    if sites is None:
        raise InvalidConfiguration(
            rows.source,
            "has no column that says which site a row belongs to",
            "Name one with data.site=COLUMN, or have a rule divide the rows (iid, dirichlet or"
            f" shards): python -m simulate task=arrays {shlex.quote(f'data.path={rows.source}')}"
            " partition=iid sites=10",
        )
    check_count(sites)
    if rows.held_out_N is None:
        order_N = np.argsort(labels_N, kind="stable")
        train_rows, test_rows = _last_fifths(labels_N, order_N, 0)
        train_rows, test_rows = np.sort(train_rows), np.sort(test_rows)
        train_rows = _apart(train_rows, test_rows, shared)
        held = "; the last fifth of each label's rows (each tenth of numbers) is the test set"
    else:
        train_rows, test_rows = np.flatnonzero(~rows.held_out_N), np.flatnonzero(rows.held_out_N)
        held = ""
    _check_both(rows.source, train_rows, test_rows)
    places_of = rule.divide(labels_N[train_rows], sites)
    note = f"{len(train_rows)} rows are divided by {_name(rule)}{held}"
    one_group = np.zeros(len(test_rows), np.int64)
    return Division(
        NumberedSites(sites),
        train_rows,
        places_of,
        test_rows,
        one_group,
        ("all",),
        (note,),
    )


def _name(rule: Rule) -> str:
    """The name by which a person chooses ``rule``."""
    return (Iid if isinstance(rule, Column) else type(rule)).__name__.lower()


def _last_fifths(of_N: NDArray[Any], order_N: Integers, shared: int) -> tuple[Integers, Integers]:
    """Held out: the last 20 % of the rows of each site (or label), rounded down.

    The ``shared`` rows before them have readings in common with them, and are left out.
    """
    _, first, counts = np.unique(of_N[order_N], return_index=True, return_counts=True)
    from_end_N = np.repeat(first + counts, counts) - np.arange(len(order_N))
    fifth_N = np.repeat(counts // _FIFTH, counts)
    gap_N = np.where(fifth_N > 0, shared, 0)
    return order_N[from_end_N > fifth_N + gap_N], order_N[from_end_N <= fifth_N]


def _apart(train_rows: Integers, test_rows: Integers, shared: int) -> Integers:
    """The training rows that are further than ``shared`` rows from each test row."""
    if not shared or not len(test_rows):
        return train_rows
    place_N = np.searchsorted(test_rows, train_rows)
    after_N = test_rows[np.minimum(place_N, len(test_rows) - 1)] - train_rows
    before_N = train_rows - test_rows[np.maximum(place_N - 1, 0)]
    is_near_N = ((after_N >= 0) & (after_N <= shared)) | ((before_N >= 0) & (before_N <= shared))
    return train_rows[~is_near_N]


def _check_both(source: str, train_rows: Integers, test_rows: Integers) -> None:
    for found, name in ((train_rows, "training"), (test_rows, "test")):
        if not len(found):
            raise InvalidData(
                f"{source}: {len(train_rows) + len(test_rows)} rows, none of them for {name}",
                "must have at least one row for training and one for the test",
                "Correct split; without it a site needs five rows to hold one out",
            )


def _names(sites: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, sites.tolist()))
