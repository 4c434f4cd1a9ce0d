"""Windows over time: those whose last readings are to be told, and labels of each reading."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Floats, KindSpec
from models.kinds.forecast import divided
from models.kinds.sequence import usual_of
from simulate.world.tables import Table, Words
from simulate.world.tables.roles import NO_LABEL, Roles, roles_of
from simulate.world.tables.rows import Rows

_REMEDY = "Write y as whole numbers (N, time), one a reading; world.labels has their names"


def unlabelled_roles(
    table: Table, site: str | None, label: str | None, channels: Sequence[str] | None
) -> Roles:
    """``roles_of`` where no column is the label.

    Raises:
        InvalidConfiguration: one is named; or as ``roles_of``.
        InvalidData: as ``roles_of``.
    """
    if label not in (None, NO_LABEL):
        raise InvalidConfiguration(
            f"data.label={label}",
            "is for nothing: task.kind=forecast learns the last readings of each window",
            "Leave it out",
        )
    return roles_of(table, site, NO_LABEL, channels, labelled=False)


def no_labels(table: Table) -> Words:
    """In place of labels, where none are needed: the same for all rows."""
    return Words(np.zeros(len(table), np.int64), np.zeros(len(table), np.bool_))


def ahead_of(rows: Rows, kind: KindSpec) -> tuple[Rows, Floats]:
    """``rows`` without the last readings of each window, and what each is labelled with.

    Raises:
        InvalidData: no readings over time, fewer than two before the horizon, or one that is not
            finite.
    """
    horizon, shape = int(dict(kind.options)["horizon"]), rows.x.shape[1:]
    if len(shape) != 2 or shape[0] < horizon + 2:
        raise InvalidData(
            f"{rows.source}: windows of shape {shape}",
            f"must be (time, channels), with 2 readings or more before the {horizon} that are to be"
            " told",
            "Lower task.horizon, or cut longer windows: fl-simulate windows",
        )
    if odd := int((~np.isfinite(rows.x)).any(axis=(1, 2)).sum()):
        raise InvalidData(
            f"{rows.source}: {odd} of {len(rows.x)} windows",
            "hold NaN or infinity, where every reading must be a finite number",
            "Correct or remove these windows",
        )
    values_N, labels_N = divided(rows.x, horizon)
    return replace(rows, x=values_N), labels_N


def labels_of_readings(table: Table, name: str | None) -> Words:
    """The labels (N, T) in the column ``name``; a window without one of them has none.

    Raises:
        InvalidData: no whole numbers of two axes.
    """
    assert name is not None  # as roles_of sees to
    found = np.asarray(table.numbers(name), np.float64)
    missing_N = np.asarray(np.isnan(found).any(axis=tuple(range(1, found.ndim))))
    there = np.nan_to_num(found, nan=0.0)
    if found.ndim != 2 or (there != np.rint(there)).any() or np.abs(there).max(initial=0) >= 2**31:
        raise InvalidData(
            f"{table.source}: {name} of shape {found.shape}",
            "must be a whole number for each reading of a window, for task.kind=sequence",
            _REMEDY,
        )
    return Words(there.astype(np.int64), missing_N)


def usual_labels(table: Table, name: str | None) -> Words:
    """The same, but of each window the label that most of its readings have."""
    words = labels_of_readings(table, name)
    return Words(usual_of(words.values_N), words.missing_N)


def check_as_long(source: str, labels_NT: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise InvalidData unless windows of ``shape`` have a label for each reading."""
    if len(shape) != 2 or labels_NT.shape[1] != shape[0]:
        raise InvalidData(
            f"{source}: y of shape {labels_NT.shape} for windows of shape {shape}",
            "must have one label for each reading of a window (time, channels)",
            _REMEDY,
        )
