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
from simulate.world.tables.missing import check_mode, without_gaps
from simulate.world.tables.roles import Roles

_PARTS = {
    **dict.fromkeys((0, "0", "train", "training", "validation", "val", "false"), 0),
    **dict.fromkeys((1, "1", "test", "testing", "true"), 1),
}
"""Ways to write that a row is for training (0) or for the test (1)."""
_FEW = (1, 3, 4)
"""Channels of an image: grey, three colours, and perhaps how opaque it is."""
_LEAST_SIDE = 8


@dataclass(frozen=True)
class Rows:
    """``x`` (N, ...) float32, all finite; ``y_N`` and ``site_N`` whole numbers or text.

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
    table: Table, roles: Roles, missing: str, center: float | Sequence[float] | None
) -> Rows:
    """The rows of ``table`` without gaps; labels are not checked yet.

    Raises:
        InvalidData: a column has a type, a shape or a length that it can't have, or ``missing``
            is ``refuse`` and something is.
        InvalidConfiguration: ``missing`` is unknown.
    """
    check_mode(missing)
    source = table.source
    x, notes = windows_of(table, roles)
    words = {"label": table.words(roles.label)}
    words |= {"site": table.words(roles.site)} if roles.site else {}
    split = table.words(roles.split) if roles.split else None
    columns = {name: one.values_N for name, one in words.items()}
    columns |= {"split": split.values_N} if split else {}
    check_lengths(source, x=x, **columns)
    missing_N = np.any([one.missing_N for one in words.values()], axis=0)
    filled = without_gaps(source, x, missing_N, missing, center)
    kept_N = filled.kept_N
    if not kept_N.any():
        raise InvalidData(source, "has no row left", "Set data.missing=hold, or fill the gaps")
    whole = bool(kept_N.all())
    return Rows(
        source=source,
        x=filled.x if whole else filled.x[kept_N],
        y_N=words["label"].values_N[kept_N],
        site_N=words["site"].values_N[kept_N] if roles.site else None,
        held_out_N=None if split is None else _held_out(split, source)[kept_N],
        channels=roles.channels or None,
        labels=table.categories.get(roles.label),
        notes=(*table.notes, *roles.notes, *notes, *filled.notes),
    )


def windows_of(table: Table, roles: Roles) -> tuple[Floats, tuple[str, ...]]:
    """The windows (N, C), (N, T, C) or (N, C, H, W), with gaps, and what was guessed of them.

    Raises:
        InvalidData: no numbers of such a shape.
    """
    if roles.windows is not None:
        return _shaped(table.numbers(roles.windows), f"{table.source}: {roles.windows}")
    columns = []
    for name in roles.channels:
        columns.append(_float(table.numbers(name)))
        if columns[-1].shape != columns[0].shape or columns[0].ndim > 2:
            raise InvalidData(
                f"{table.source}: {name} of shape {columns[-1].shape}",
                f"must be numbers (N,), or (N, time), and of the same shape as {roles.channels[0]}",
                "Choose the channels: data.channels=[NAME,NAME]",
            )
    return _shaped(np.stack(columns, axis=-1), table.source)


def _shaped(x: NDArray[Any], source: str) -> tuple[Floats, tuple[str, ...]]:
    if x.ndim not in (2, 3, 4) or not len(x) or not x.size:
        raise InvalidData(
            f"{source}: x of shape {x.shape} and type {x.dtype}",
            "must be numbers (N, channels), (N, time, channels) or (N, channels, height, width),"
            " N at least 1",
            "Write it so",
        )
    if x.ndim == 3 and x.dtype == np.uint8 and x.shape[1] == x.shape[2] >= _LEAST_SIDE:
        note = f"bytes of shape {x.shape[1:]} are images of one channel"
        return _float(x[:, None]), (note,)
    if x.ndim == 4 and x.shape[3] in _FEW and x.shape[1] not in _FEW:
        note = f"windows of shape {x.shape[1:]} are images with the channels last"
        return _float(np.moveaxis(x, 3, 1)), (note,)
    return _float(x), ()


def _float(x: NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinity
        return np.ascontiguousarray(x, dtype=np.float32)


def _held_out(split: Words, source: str) -> Flags:
    words, index_N = np.unique(split.values_N, return_inverse=True)
    plain = [word.lower() if isinstance(word, str) else word for word in words.tolist()]
    unknown = [word for word in plain if word not in _PARTS]
    if split.missing_N.any() or unknown:
        raise InvalidData(
            f"{source}: split {unknown[0] if unknown else ''!r}",
            "must be 0 or train for training rows, 1 or test for test rows",
            "Write it so, or leave split out",
        )
    return np.array([_PARTS[word] for word in plain], dtype=bool)[index_N]
