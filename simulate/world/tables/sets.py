"""Several labels for each row: as a column for each, as arrays of 0 and 1, or as one text."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Integers, KindSpec
from models.kinds.multilabel import BETWEEN, bits_of, has_of, multilabel
from simulate.world.tables import Flags, Kind, Table, Words
from simulate.world.tables.coverage import coverage_notes
from simulate.world.tables.roles import Roles, roles_of

Label = str | Sequence[str] | None
"""``data.label``: a column, or a column for each label."""


def check_one(label: Label) -> str | None:
    """The one column of labels.

    Raises:
        InvalidConfiguration: several are named.
    """
    if label is None or isinstance(label, str):
        return label
    listed = ",".join(map(str, label))
    rule = "must be one column, unless a row can have several labels"
    remedy = "Name one, or set task.kind=multilabel"
    raise InvalidConfiguration(f"data.label=[{listed}]", rule, remedy)


def set_roles(
    table: Table, site: str | None, label: Label, channels: Sequence[str] | None
) -> Roles:
    """``roles_of`` where each of several columns may be a label.

    Raises:
        InvalidConfiguration, InvalidData: as ``roles_of``.
    """
    if label is None or isinstance(label, str):
        return roles_of(table, site, label, channels)
    first, *others = [str(name) for name in label]
    for name in others:
        roles_of(table, site, name, channels)  # which refuses a column that is not there
    roles = roles_of(table, site, first, channels)
    left = tuple(name for name in roles.channels if name not in others)
    return replace(roles, channels=left)


def sets_in(
    table: Table, roles: Roles, label: Label, declared: Sequence[str] | None
) -> tuple[Words, tuple[str, ...]]:
    """The set of labels of each row as bits, and the labels' names.

    Raises:
        InvalidData: what is neither text, nor 0 or 1 for each label, or a label that is not one of
            the ``declared``.
        InvalidConfiguration: no such labels.
    """
    assert roles.label is not None  # as roles_of sees to
    if label is not None and not isinstance(label, str):
        columns = [np.asarray(table.numbers(str(name)), np.float64) for name in label]
        return _of_flags(table, np.stack(columns, 1), declared or [str(name) for name in label])
    if table.kind(roles.label) == Kind.WINDOW:
        return _of_flags(table, np.asarray(table.numbers(roles.label), np.float64), declared)
    return _of_text(table, table.words(roles.label), declared)


def covered_sets(names: Sequence[str], train_N: Integers, test_N: Integers) -> tuple[str, ...]:
    """``coverage_notes`` of sets of labels."""
    places = [np.nonzero(has_of(bits, len(names)))[1] for bits in (train_N, test_N)]
    none = int((train_N == 0).sum() + (test_N == 0).sum())
    some = (f"{none} of {len(train_N) + len(test_N)} rows have none of the labels",) if none else ()
    return (*some, *coverage_notes(names, *places))


def _of_flags(
    table: Table, flags_NK: NDArray[np.float64], declared: Sequence[str] | None
) -> tuple[Words, tuple[str, ...]]:
    missing_N: Flags = np.asarray(np.isnan(flags_NK).reshape(len(flags_NK), -1).any(axis=1))
    if flags_NK.ndim != 2 or not np.isin(flags_NK[~missing_N], (0, 1)).all():
        raise InvalidData(
            f"{table.source}: labels of shape {flags_NK.shape}",
            "must be 0 or 1 for each label in each row: (N, labels)",
            "Write them so, or as one text with a semicolon between labels",
        )
    names = [str(name) for name in declared or range(flags_NK.shape[1])]
    if len(names) != flags_NK.shape[1]:
        raise InvalidData(
            f"{table.source}: {flags_NK.shape[1]} labels in each row",
            f"must be one for each of the {len(names)} declared",
            "Correct world.labels",
        )
    multilabel(names)
    return Words(bits_of(np.nan_to_num(flags_NK)), missing_N), tuple(names)


def _of_text(
    table: Table, words: Words, declared: Sequence[str] | None
) -> tuple[Words, tuple[str, ...]]:
    """An empty text says that there is none of them."""
    texts = [
        "" if gap else str(text) for text, gap in zip(words.values_N, words.missing_N, strict=True)
    ]
    rows = [[part.strip() for part in text.split(BETWEEN) if part.strip()] for text in texts]
    found = sorted({label for row in rows for label in row})
    names = [str(name) for name in declared or found]
    multilabel(names)
    if unknown := [label for label in found if label not in names]:
        raise InvalidData(
            f"{table.source}: label {unknown[0]!r}",
            f"must be one of the declared labels {', '.join(names)}",
            "Correct the row, or declare this label too",
        )
    bit_of = {name: 1 << place for place, name in enumerate(names)}
    bits_N = np.array([sum(bit_of[label] for label in {*row}) for row in rows], np.int64)
    none_N: Flags = np.zeros(len(rows), np.bool_)
    return Words(bits_N, none_N), tuple(names)


def names_in(kind: KindSpec, declared: Sequence[str] | None) -> Sequence[str] | None:
    """The labels that ``kind`` names already, or those that are declared beside it."""
    text = dict(kind.options).get("labels")
    return str(text).split(BETWEEN) if text else declared
