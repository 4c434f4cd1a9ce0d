"""Bring your own data: an npz, Parquet or CSV file, divided by its own ``site`` column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Integers, Windows
from simulate.world import TestSet
from simulate.world.arrays_file import Columns, read_columns
from simulate.world.arrays_task import Declaration
from simulate.world.checks import check_values
from simulate.world.lazy import LazyWorld, number_of_sites, part_of


class Arrays(LazyWorld):
    """``path``: the file; its format is described in docs/reference/data.md.

    The other arguments declare what the file can't say. Null stands for: ``labels`` as found in y,
    ``channels`` the names of a table's columns or c0, c1, ..., ``units`` of pure numbers, no rate,
    ``center`` 0 and ``scale`` 1. ``center`` and ``scale`` are one number, or one for each channel;
    they must be public. ``windows_per_reading`` is the most windows that one reading is part of (1
    without overlap).

    Sites are the names with training rows, in order; the test set's groups are the names with test
    rows. Without a split the last fifth of each site's rows is for the test. The rows of a site are
    one privacy block.

    Raises:
        InvalidData: the file is missing, damaged, or does not fit what is declared.
        InvalidConfiguration: no path, more ``sites`` than the file has, or a declaration that does
            not fit.
    """

    def __init__(
        self,
        path: str | None,
        sites: int | None,
        labels: Sequence[str] | None,
        channels: Sequence[str] | None,
        units: Sequence[str] | None,
        rate_hz: float | None,
        center: float | Sequence[float] | None,
        scale: float | Sequence[float] | None,
        windows_per_reading: int,
    ) -> None:
        if path is None:
            raise InvalidConfiguration(
                "data.path=null", "must name a file for task=arrays", "Set data.path=FILE.npz"
            )
        columns = read_columns(from_home(str(path)), channels)
        channels = channels or columns.channels
        declared = Declaration(labels, channels, units, rate_hz, center, scale, windows_per_reading)
        names, labels_N = declared.labels_of(columns.source, columns.y_N)
        task = declared.task(columns.x.shape[1:], names)
        check_values(columns.source, columns.x, task)
        train_rows, test_rows = _divide(columns, windows_per_reading - 1)
        own_N = columns.site_N[train_rows]
        existing, first, counts = np.unique(own_N, return_index=True, return_counts=True)
        chosen = existing[: number_of_sites(sites, len(existing), task.name)]
        if columns.held_out_N is None:
            test_rows = test_rows[np.isin(columns.site_N[test_rows], chosen)]
        everyone = _windows(columns, labels_N, train_rows)

        def cut(site: int) -> Windows:
            return part_of(everyone, first[site], first[site] + counts[site])

        test = _test_set(columns, labels_N, test_rows)
        base = (everyone.values, everyone.labels, own_N.astype("U"))
        super().__init__(task, _names(chosen), cut, None, test, base)


def _divide(columns: Columns, shared: int) -> tuple[Integers, Integers]:
    """Training and test rows, each in order of the sites' names."""
    order_N = np.argsort(columns.site_N, kind="stable")
    held_out_N = columns.held_out_N
    if held_out_N is None:
        parts = _by_time(columns.site_N, order_N, shared)
    else:
        parts = order_N[~held_out_N[order_N]], order_N[held_out_N[order_N]]
    for rows, name in zip(parts, ("training", "test"), strict=True):
        if not len(rows):
            raise InvalidData(
                f"{columns.source}: {len(order_N)} rows, none of them for {name}",
                "must have at least one row for training and one for the test",
                "Correct split; without it a site needs five rows to hold one out",
            )
    return parts


def _by_time(
    site_N: NDArray[np.generic], order_N: Integers, shared: int
) -> tuple[Integers, Integers]:
    """Held out: the last 20 % of the rows of each site, rounded down.

    The ``shared`` rows before them have readings in common with them, and are left out.
    """
    _, first, counts = np.unique(site_N[order_N], return_index=True, return_counts=True)
    from_end_N = np.repeat(first + counts, counts) - np.arange(len(order_N))
    fifth_N = np.repeat(counts // 5, counts)
    gap_N = np.where(fifth_N > 0, shared, 0)
    return order_N[from_end_N > fifth_N + gap_N], order_N[from_end_N <= fifth_N]


def _windows(columns: Columns, labels_N: Integers, rows: Integers) -> Windows:
    blocks = np.zeros(len(rows), np.int64)
    return Windows(columns.x[rows], labels_N[rows], blocks, ("rows",))


def _test_set(columns: Columns, labels_N: Integers, rows: Integers) -> TestSet:
    groups, group_of_N = np.unique(columns.site_N[rows], return_inverse=True)
    return TestSet(_windows(columns, labels_N, rows), group_of_N, _names(groups))


def _names(sites: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, sites.tolist()))
