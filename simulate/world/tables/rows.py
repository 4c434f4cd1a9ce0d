"""The rows of a table by their roles: windows, labels, sites and what is held out for the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats
from simulate.world.checks import check_lengths
from simulate.world.tables import Flags, Table, Words
from simulate.world.tables.missing import check_channels, check_mode, without_gaps
from simulate.world.tables.ranges import narrowed
from simulate.world.tables.roles import Roles
from simulate.world.tables.splits import FLAGS, SPLITS, TEST, VALIDATION

_FEW = (1, 3, 4)
"""Channels of an image: grey, three colours, and perhaps how opaque it is."""
_LEAST_SIDE = 8


@dataclass(frozen=True)
class Rows:
    """``x`` (N, ...) float32, all finite; ``y_N`` and ``site_N`` whole numbers or text.

    Where numbers are learnt, ``y_N`` are those, as float64.
    ``site_N`` is None where no column says it, and ``held_out_N``, true for test rows, where there
    is no split. ``channels`` are the names of the columns, None where windows are one column;
    ``labels`` the names of labels 0, 1, ... where the file tells them.
    """

    source: str
    x: Floats
    y_N: NDArray[Any]
    site_N: NDArray[Any] | None
    held_out_N: Flags | None
    channels: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    notes: tuple[str, ...]


def read_rows(
    table: Table,
    roles: Roles,
    missing: str,
    center: float | Sequence[float] | None,
    windows: tuple[Floats, tuple[str, ...]] | None = None,
    *,
    numeric: bool = False,
    labels: Words | None = None,
) -> Rows:
    """The rows of ``table`` without gaps; labels are not checked yet.

    ``windows`` is what ``windows_of`` gave, where they are read already. ``numeric``: labels are
    numbers of any size. ``labels`` are those that are read already.

    Raises:
        InvalidData: a column has a type, a shape or a length that it can't have, or ``missing``
            is ``refuse`` and something is.
        InvalidConfiguration: ``missing`` is unknown.
    """
    check_mode(missing)
    source = table.source
    x, notes = windows or windows_of(table, roles)
    words = {"label": labels or labels_in(table, roles, numeric=numeric)}
    words |= {"site": table.words(roles.site)} if roles.site else {}
    split = table.words(roles.split) if roles.split else None
    check_channels(source, x, roles.channels)
    columns = {name: one.values_N for name, one in words.items()}
    columns |= {"split": split.values_N} if split else {}
    check_lengths(source, x=x, **columns)
    held_out_N, trained = _held_out(split, source) if split else (None, [])
    missing_N = np.any([one.missing_N for one in words.values()], axis=0)
    filled = without_gaps(source, x, missing_N, missing, center, table.place)
    kept_N = filled.kept_N
    if not kept_N.any():
        raise InvalidData(source, "has no row left", "Set data.missing=hold, or fill the gaps")
    whole = bool(kept_N.all())
    return Rows(
        source=source,
        x=filled.x if whole else filled.x[kept_N],
        y_N=words["label"].values_N[kept_N],
        site_N=words["site"].values_N[kept_N] if roles.site else None,
        held_out_N=None if held_out_N is None else held_out_N[kept_N],
        channels=roles.channels or None,
        labels=table.categories.get(roles.label or ""),
        notes=(*table.notes, *roles.notes, *notes, *trained, *filled.notes),
    )


def labels_in(table: Table, roles: Roles, *, numeric: bool) -> Words:
    """What the column of labels has in each row: a number (``numeric``), or a name."""
    assert roles.label is not None  # as roles_of sees to
    return numbers_in(table, roles.label) if numeric else table.words(roles.label)


def numbers_in(table: Table, name: str) -> Words:
    """One number per row, as float64."""
    numbers_N = np.asarray(table.numbers(name), np.float64)
    numbers_N = numbers_N[:, 0] if numbers_N.shape[1:] == (1,) else numbers_N
    if numbers_N.ndim != 1:
        raise InvalidData(
            f"{table.source}: {name} of shape {numbers_N.shape}",
            "must be one number per row, for task.kind=regression",
            "Name another column: data.label=NAME",
        )
    return Words(numbers_N, np.isnan(numbers_N))


def windows_of(table: Table, roles: Roles) -> tuple[Floats, tuple[str, ...]]:
    """The windows (N, C), (N, T, C) or (N, C, H, W), with gaps, and what was guessed of them.

    Raises:
        InvalidData: no numbers of such a shape.
    """
    if roles.windows is not None:
        what = f"{table.source}: {roles.windows}"
        x, notes = _shaped(table.numbers(roles.windows), what)
        return narrowed(x, what, table.place), notes
    columns = []
    for name in roles.channels:
        columns.append(narrowed(table.numbers(name), f"{table.source}: {name}", table.place))
        if columns[-1].shape != columns[0].shape or columns[0].ndim > 2:
            raise InvalidData(
                f"{table.source}: {name} of shape {columns[-1].shape}",
                f"must be numbers (N,), or (N, time), and of the same shape as {roles.channels[0]}",
                "Choose the channels: data.channels=[NAME,NAME]",
            )
    return _shaped(np.stack(columns, axis=-1), table.source)


def _shaped(x: NDArray[Any], source: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    if x.ndim not in (2, 3, 4) or not len(x) or not x.size:
        raise InvalidData(
            f"{source}: x of shape {x.shape} and type {x.dtype}",
            "must be numbers (N, channels), (N, time, channels) or (N, channels, height, width),"
            " N at least 1",
            "Write it so",
        )
    if x.ndim == 3 and x.dtype == np.uint8 and x.shape[1] == x.shape[2] >= _LEAST_SIDE:
        note = f"bytes of shape {x.shape[1:]} are images of one channel"
        return x[:, None], (note,)
    if x.ndim == 4 and x.shape[3] in _FEW and x.shape[1] not in _FEW:
        note = f"windows of shape {x.shape[1:]} are images with the channels last"
        return np.moveaxis(x, 3, 1), (note,)
    return x, ()


def _held_out(split: Words, source: str) -> tuple[Flags, list[str]]:
    """Which rows are for the test, and what is said of others that are for neither."""
    words, index_N = np.unique(split.values_N, return_inverse=True)
    parts = {word: _part(word) for word in words.tolist()}
    unknown = [word for word, part in parts.items() if part is None]
    if split.missing_N.any() or unknown:
        raise InvalidData(
            f"{source}: split {unknown[0] if unknown else ''!r}",
            "must be 0 or train (also valid, dev) for training rows, 1 or test for test rows",
            "Write it so, or leave split out",
        )
    counts = dict(zip(words.tolist(), np.bincount(index_N).tolist(), strict=True))
    told = [
        f"{counts[word]} rows of split {word} are trained on"
        for word, part in parts.items()
        if part == VALIDATION
    ]
    return np.array([part == TEST for part in parts.values()])[index_N], told


def _part(word: str | int) -> str | None:
    known = word.lower() if isinstance(word, str) else word
    return FLAGS.get(known) or SPLITS.get(str(known))
