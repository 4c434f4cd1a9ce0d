"""The file of ``task=arrays``: npz or Parquet with x, y, site and perhaps split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from simulate.world.checks import check_lengths
from simulate.world.npz import read_npz, require

_NEEDED = ("x", "y", "site")
_PARTS = {0: 0, 1: 1, "0": 0, "1": 1, "train": 0, "test": 1}
"""Ways to write that a row is for training (0) or for the test (1)."""


@dataclass(frozen=True)
class Columns:
    """A file's columns: ``x`` (N, ...) float32; ``y`` and ``site`` (N,), numbers or text.

    ``held_out_N`` is true for test rows, and None where the file has no split.
    """

    source: str
    x: NDArray[np.float32]
    y_N: NDArray[Any]
    site_N: NDArray[Any]
    held_out_N: NDArray[np.bool_] | None


def read_columns(path: Path) -> Columns:
    """The columns, of one length each; labels and readings are not checked yet.

    Raises:
        InvalidData: the file can't be read, lacks a column, or one has a type or shape that it
            can't have.
    """
    source = str(path)
    arrays = _read_parquet(path) if path.suffix in (".parquet", ".pq") else read_npz(path)
    require(arrays, _NEEDED, source)
    check_lengths(source, **{n: arrays[n] for n in (*_NEEDED, "split") if n in arrays})
    x = arrays["x"]
    if x.ndim not in (2, 3, 4) or not (x.dtype.kind in "iufb" and len(x)):
        raise InvalidData(
            f"{source}: x of shape {x.shape} and type {x.dtype}",
            "must be numbers (N, channels), (N, time, channels) or (N, channels, height, width),"
            " N at least 1",
            "Write it so",
        )
    split_N = _column(arrays, "split", source) if "split" in arrays else None
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinity, which is refused
        values = np.ascontiguousarray(x, dtype=np.float32)
    return Columns(
        source=source,
        x=values,
        y_N=_column(arrays, "y", source),
        site_N=_column(arrays, "site", source),
        held_out_N=None if split_N is None else _held_out(split_N, source),
    )


def _column(arrays: NamedArrays, name: str, source: str) -> NDArray[Any]:
    """One number or text per row, as int64 or str."""
    column = arrays[name]
    if column.ndim != 1 or column.dtype.kind not in "iubU":
        raise InvalidData(
            f"{source}: {name} of shape {column.shape} and type {column.dtype}",
            "must be one whole number or text per row",
            "Write it so",
        )
    if column.dtype.kind == "U":
        if (column == "").any():
            raise InvalidData(
                f"{source}: {name} of row {int((column == '').argmax())}",
                "must not be empty text",
                "Name it, or remove the row",
            )
        return column
    return column.astype(np.int64)


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


def _read_parquet(path: Path) -> NamedArrays:
    if not path.is_file():
        raise InvalidData(str(path), "must be a file that exists", "Correct the path")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidData(
            str(path), f"must be an undamaged Parquet file ({reason})", "Get or write it again"
        ) from error
    names = [name for name in (*_NEEDED, "split") if name in table.column_names]
    return {name: _dense(table[name], f"{path}: {name}") for name in names}


def _dense(column: pa.ChunkedArray, source: str) -> NDArray[Any]:
    """A column, of nested lists too, as one array; lists of one level must be equally long."""
    array, shape = column.combine_chunks(), [len(column)]
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or (
        pa.types.is_fixed_size_list(array.type)
    ):  # fmt: skip
        _check_no_null(array, source)
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(lengths) != 1:
            raise InvalidData(
                f"{source} with lists of {', '.join(map(str, sorted(lengths)[:3]))} values",
                "must have lists of one length",
                "Cut the windows to one length",
            )
        shape.append(lengths[0])
        array = array.flatten()
    _check_no_null(array, source)
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False).reshape(shape)
    return values.astype(str) if values.dtype == object else values


def _check_no_null(array: pa.Array, source: str) -> None:
    if array.null_count:
        raise InvalidData(
            f"{source} with {array.null_count} nulls", "must have no null", "Fill or remove them"
        )
