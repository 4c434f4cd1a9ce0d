"""Bring your own data: a file or a folder of rows, divided by a column of sites, or by a rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers, KindSpec, Task, Windows
from models import kinds
from models.kinds.multilabel import multilabel
from simulate.world import PUBLIC, TestSet
from simulate.world.checks import check_values
from simulate.world.lazy import LazyWorld
from simulate.world.partition import Rule
from simulate.world.tables.coverage import coverage_notes
from simulate.world.tables.declaration import Declaration
from simulate.world.tables.division import Division, divide
from simulate.world.tables.marks import divide_normal, marks_in
from simulate.world.tables.numbers import declared_kind, declared_once, numbers_of
from simulate.world.tables.opened import open_table
from simulate.world.tables.over_time import (
    ahead_of,
    check_as_long,
    labels_of_readings,
    no_labels,
    unlabelled_roles,
)
from simulate.world.tables.roles import roles_of
from simulate.world.tables.rows import Rows, read_rows
from simulate.world.tables.scaling import scaling_of
from simulate.world.tables.sets import (
    Label,
    check_one,
    covered_sets,
    names_in,
    set_roles,
    sets_in,
)
from simulate.world.tables.task_file import read_task

_BLOCKS = ("rows",)
_KEPT_BYTES = 256 * 2**20
"""Windows of recently asked sites, which are copies."""


class Arrays(LazyWorld):
    """``path``: the file or folder; docs/reference/data.md describes the forms.

    ``site``, ``label`` and ``channels`` name columns; null: plain names are guessed, and ``notes``
    says so. ``missing`` is what becomes of gaps. The other arguments declare what the file can't
    say: ``name`` of the task, ``labels`` as found, ``channels`` of windows c0, c1, ..., ``units``
    of pure numbers, no rate, ``center`` 0 and ``scale`` 1. ``center`` and ``scale`` are one number,
    or one for each channel; they must be public. ``scale`` may be ``public``, with the ``range`` of
    each channel, or ``private``: then a survey finds both (``scale_source``).
    ``windows_per_reading`` is the most windows that one reading is part of (1 without overlap).
    ``kind`` is what ``models.kinds.declared`` takes: for numbers, the column of labels has those,
    of a forecast the last readings of each window are what is learnt,
    and for anomalies it says which rows are, if there is one.
    ``declared`` is a YAML file with a whole task, as a box has it, in place of these.

    Sites are the names with training rows, in order; the test set's groups are the names with test
    rows. Without a split the last fifth of each site's rows is for the test. Where no column says
    the site, ``partition`` divides the rows into ``sites``. A site's rows are one privacy block.

    Raises:
        InvalidData: the file is missing, damaged, or does not fit what is declared.
        InvalidConfiguration: no path, more ``sites`` than there can be, or a declaration that does
            not fit.
    """

    def __init__(
        self,
        path: str | None,
        sites: int | None,
        partition: Rule,
        declared: str | None,
        name: str,
        site: str | None,
        label: Label,
        channels: Sequence[str] | None,
        missing: str,
        labels: Sequence[str] | None,
        units: Sequence[str] | None,
        rate_hz: float | None,
        center: float | Sequence[float] | None,
        scale: float | Sequence[float] | str | None,
        range: Sequence[object] | None,
        windows_per_reading: int,
        kind: Mapping[str, Any],
    ) -> None:
        scaling = scaling_of(center, scale, range)
        self.scale_source = scaling.source
        numbers = scaling.center, scaling.scale, scaling.source == PUBLIC
        given = Declaration(name, labels, channels, units, rate_hz, *numbers, windows_per_reading)
        known, spec = _known(given, declared_kind(kind), declared)
        about = (path, site, label, known.channels, missing, known.center)
        rows, spec, named = _read(*about, spec, known.labels)
        found = known.completed(rows.labels if named else None, rows.channels)
        names, labels_N = _named(found, rows) if named else ((), rows.y_N)
        if spec.name == kinds.FORECAST:
            rows, labels_N = ahead_of(rows, spec)
        task = replace(found.task(rows.x.shape[1:], names), kind=spec)
        check_values(rows.source, rows.x, task)
        labels_N = _learnt(rows.source, labels_N, task)
        division = _divided(rows, labels_N, sites, partition, task)
        self.notes = (*rows.notes, *division.notes, *_covered(task, labels_N, division))
        everyone = _windows(rows, labels_N, division.train_rows)
        cut, keep = _sites(everyone, division)
        test = _test_set(rows, labels_N, division)
        super().__init__(task, division.sites, cut, keep, test, _base(everyone, rows, division))


def _known(
    given: Declaration, kind: KindSpec, declared: str | None
) -> tuple[Declaration, KindSpec]:
    """What is declared, here or in the file ``declared``."""
    if declared is None:
        return given, kind
    task = read_task(declared)
    return given.replaced_by(task), declared_once(kind, task.kind)


def _named(found: Declaration, rows: Rows) -> tuple[tuple[str, ...], Integers]:
    """The names of the labels, and the index of each window's, or of each reading's."""
    names, flat_N = found.labels_of(rows.source, rows.y_N.ravel())
    return names, flat_N.reshape(rows.y_N.shape)


def _divided(
    rows: Rows, labels_N: NDArray[Any], sites: int | None, partition: Rule, task: Task
) -> Division:
    shared = task.windows_per_reading - 1
    if kinds.learns_scores(task):
        return divide_normal(rows, labels_N, sites, partition, shared)
    return divide(rows, kinds.kind_of(task).alike(labels_N, labels_N), sites, partition, shared)


def _learnt(source: str, labels_N: NDArray[Any], task: Task) -> NDArray[Any]:
    """What is learnt of each row."""
    if task.kind.name == kinds.SEQUENCE:
        check_as_long(source, labels_N, task.window_shape)
    if task.kind.name == kinds.REGRESSION:
        return numbers_of(source, labels_N, task)
    return labels_N


def _covered(task: Task, labels_N: Integers, division: Division) -> tuple[str, ...]:
    parts = labels_N[division.train_rows], labels_N[division.test_rows]
    if task.kind.name == kinds.MULTILABEL:
        return covered_sets(kinds.kind_of(task).columns, *parts)
    each = [part.ravel() for part in parts]
    return tuple(coverage_notes(task.labels, *each)) if task.labels else ()


def _read(
    path: str | None,
    site: str | None,
    label: Label,
    channels: Sequence[str] | None,
    missing: str,
    center: float | Sequence[float] | None,
    kind: KindSpec,
    labels: Sequence[str] | None,
) -> tuple[Rows, KindSpec, bool]:
    """The rows, the kind with the labels that the file names, and if each row has one of them."""
    if path is None:
        raise InvalidConfiguration(
            "data.path=null",
            "must name a file or folder for task=arrays",
            "Set data.path=FILE: npz, CSV, Parquet, or a folder of such files",
        )
    table = open_table(from_home(str(path)))
    if kind.name == kinds.MULTILABEL:
        roles = set_roles(table, site, label, channels)
        marks, names = sets_in(table, roles, label, names_in(kind, labels))
        return read_rows(table, roles, missing, center, labels=marks), multilabel(names), False
    one = check_one(label)
    if kind.name == kinds.FORECAST:
        roles, marks = unlabelled_roles(table, site, one, channels), no_labels(table)
        return read_rows(table, roles, missing, center, labels=marks), kind, False
    scores, numeric = kind.name == kinds.ANOMALY, kind.name == kinds.REGRESSION
    roles = roles_of(table, site, one, channels, labelled=not scores)
    known = marks_in(table, roles.label) if scores else None
    if kind.name == kinds.SEQUENCE:
        known = labels_of_readings(table, roles.label)
    rows = read_rows(table, roles, missing, center, numeric=numeric, labels=known)
    return rows, kind, kinds.names_labels(kind)


def _base(everyone: Windows, rows: Rows, division: Division) -> Sequence[NDArray[Any]]:
    """What decides all sites' windows, but for a rule, which is in the configuration."""
    if rows.site_N is None:
        return everyone.values, everyone.labels
    return everyone.values, everyone.labels, rows.site_N[division.train_rows].astype("U")


def _sites(everyone: Windows, division: Division) -> tuple[Callable[[int], Windows], int | None]:
    """How each site's windows are cut from all, and for how many they are kept (None: views)."""

    def cut(index: int) -> Windows:
        own = division.places_of(index)
        return Windows(everyone.values[own], everyone.labels[own], everyone.block_of[own], _BLOCKS)

    first = cut(0).values
    return cut, None if first.base is everyone.values else max(1, _KEPT_BYTES // first.nbytes)


def _test_set(rows: Rows, labels_N: NDArray[Any], division: Division) -> TestSet:
    held_out = _windows(rows, labels_N, division.test_rows)
    return TestSet(held_out, division.group_of, division.groups)


def _windows(rows: Rows, labels_N: NDArray[Any], chosen: Integers) -> Windows:
    blocks = np.zeros(len(chosen), np.int64)
    return Windows(rows.x[chosen], labels_N[chosen], blocks, _BLOCKS)
