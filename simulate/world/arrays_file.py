"""The file of ``task=arrays``: npz, Parquet or CSV with x, y, site and perhaps split."""

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from simulate.world.arrays_csv import is_csv, read_csv
from simulate.world.arrays_parquet import is_parquet, read_parquet
from simulate.world.checks import check_lengths
from simulate.world.npz import read_npz, require

_NEEDED = ("x", "y", "site")
_PARTS = {0: 0, 1: 1, "0": 0, "1": 1, "train": 0, "test": 1}
"""Ways to write that a row is for training (0) or for the test (1)."""


@dataclass(frozen=True)
class Columns:
    """A file's columns: ``x`` (N, ...) float32; ``y`` and ``site`` (N,), whole numbers or text.

    ``held_out_N`` is true for test rows, and None where the file has no split. ``channels`` are
    the names of a table's columns, None where the windows are one column.
    """

    source: str
    x: NDArray[np.float32]
    y_N: NDArray[Any]
    site_N: NDArray[Any]
    held_out_N: NDArray[np.bool_] | None
    channels: tuple[str, ...] | None


def read_columns(path: Path, channels: Sequence[str] | None) -> Columns:
    """The columns, of one length each; labels and readings are not checked yet.

    ``channels`` are the declared ones, which choose among the columns of a table.

    Raises:
        InvalidData: the file can't be read, lacks a column, or one has a type or shape that it
            can't have.
    """
    source = str(path)
    arrays, names = _read(path, channels)
    require(arrays, _NEEDED, source)
    check_lengths(source, **{n: arrays[n] for n in (*_NEEDED, "split") if n in arrays})
    split_N = _column(arrays, "split", source) if "split" in arrays else None
    return Columns(
        source=source,
        x=_windows(arrays["x"], source),
        y_N=_column(arrays, "y", source),
        site_N=_column(arrays, "site", source),
        held_out_N=None if split_N is None else _held_out(split_N, source),
        channels=names,
    )


def _read(path: Path, channels: Sequence[str] | None) -> tuple[NamedArrays, tuple[str, ...] | None]:
    """The arrays by name, and the channels' names where the file has them."""
    if not path.exists():
        raise InvalidData(str(path), "must be a file that exists", "Correct the path")
    if is_parquet(path):
        return read_parquet(path, channels)
    if is_csv(path):
        return read_csv(path, channels)
    _check_format(path)
    return read_npz(path), None


def _check_format(path: Path) -> None:
    """Raise InvalidData for a file of another form, such as a spreadsheet."""
    with suppress(zipfile.BadZipFile):
        if path.suffix == ".npz" or any(
            name.endswith(".npy") for name in zipfile.ZipFile(path).namelist()
        ):
            return
    raise InvalidData(
        str(path),
        "must be an npz, Parquet or CSV file, by its content and its name's end",
        "Write it so; in Excel: Save as, CSV UTF-8",
    )


def _windows(x: NDArray[Any], source: str) -> NDArray[np.float32]:
    if x.ndim not in (2, 3, 4) or not (x.dtype.kind in "iufb" and len(x)):
        raise InvalidData(
            f"{source}: x of shape {x.shape} and type {x.dtype}",
            "must be numbers (N, channels), (N, time, channels) or (N, channels, height, width),"
            " N at least 1",
            "Write it so",
        )
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinity, which is refused
        return np.ascontiguousarray(x, dtype=np.float32)


def _column(arrays: NamedArrays, name: str, source: str) -> NDArray[Any]:
    """One whole number or text per row, as int64, uint64 (beyond int64 alone) or str.

    Whole numbers may be written as floats, as pandas does with a column that had gaps. White space
    around a text is left out.
    """
    column = arrays[name]
    if column.ndim != 1 or column.dtype.kind not in "iubUSf":
        raise _no_column(name, column, source)
    if column.dtype.kind in "US":
        return _texts(column, name, source)
    if column.dtype.kind == "f":
        if (gaps_N := np.isnan(column)).any():
            raise InvalidData(
                f"{source}: {name} of row {int(gaps_N.argmax())}",
                "is missing (NaN)",
                "Fill it, or remove the row",
            )
        if not ((np.abs(column) < 2.0**53) & (column == np.floor(column))).all():
            raise _no_column(name, column, source)
    fits = column.dtype.kind != "u" or int(column.max(initial=0)) <= np.iinfo(np.int64).max
    return column.astype(np.int64 if fits else np.uint64)


def _texts(column: NDArray[Any], name: str, source: str) -> NDArray[Any]:
    try:
        texts_N = np.strings.strip(
            np.strings.decode(column, "utf-8") if column.dtype.kind == "S" else column
        )
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{source}: {name}", f"is no text in UTF-8 ({error})", "Write it as text"
        ) from error
    if (texts_N == "").any():
        raise InvalidData(
            f"{source}: {name} of row {int((texts_N == '').argmax())}",
            "must not be empty text",
            "Name it, or remove the row",
        )
    return np.asarray(texts_N)


def _no_column(name: str, column: NDArray[Any], source: str) -> InvalidData:
    return InvalidData(
        f"{source}: {name} of shape {column.shape} and type {column.dtype}",
        "must be one whole number or text per row",
        "Write it so",
    )


def _held_out(split_N: NDArray[Any], source: str) -> NDArray[np.bool_]:
    words, index_N = np.unique(split_N, return_inverse=True)
    unknown = [word for word in words.tolist() if word not in _PARTS]
    if unknown:
        raise InvalidData(
            f"{source}: split {unknown[0]!r}",
            "must be 0 or train for training rows, 1 or test for test rows",
            "Write it so, or leave split out",
        )
    return np.array([_PARTS[word] for word in words.tolist()], dtype=bool)[index_N]
