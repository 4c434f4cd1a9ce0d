"""Parquet files for ``task=arrays``, as Arrow, pandas and Spark write them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from simulate.world.arrays_table import OTHERS, channels_of

_SUFFIXES = (".parquet", ".pq")
_MAGIC = b"PAR1"
_INDEX = re.compile(r"__index_level_\d+__")
"""The name of a column that holds the nameless index of a pandas data frame."""
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def is_parquet(path: Path) -> bool:
    """Whether ``path`` is a Parquet file by its name or beginning, or a folder, as Spark writes."""
    if path.is_dir() or path.suffix in _SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_parquet(
    path: Path, declared: Sequence[str] | None
) -> tuple[NamedArrays, tuple[str, ...] | None]:
    """The columns by name, and the channels where the file is a table without a column ``x``.

    Raises:
        InvalidData: it can't be read, or a column has a type that can't be numbers or text.
    """
    source, table = str(path), _table(path)
    names = [name for name in table.column_names if not _INDEX.fullmatch(name)]
    if "x" in names or not any(name in names for name in OTHERS):
        own = [name for name in ("x", *OTHERS) if name in names]
        return {name: _dense(table, name, source) for name in own}, None
    channels = channels_of(names, declared, source)
    columns = [_channel(table, name, source) for name in channels]
    arrays = {name: _dense(table, name, source) for name in OTHERS if name in names}
    return {"x": np.stack(columns, axis=1), **arrays}, channels


def _table(path: Path) -> pa.Table:
    """The rows of a file, or of all files in a folder in the order of their names."""
    if path.is_dir() and not any(found.suffix in _SUFFIXES for found in path.rglob("*")):
        raise InvalidData(
            str(path),
            "must be a file that exists, or a folder of Parquet files",
            "Correct the path",
        )
    try:
        return pq.read_table(path) if path.is_dir() else pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidData(
            str(path), f"must be an undamaged Parquet file ({reason})", "Get or write it again"
        ) from error


def _channel(table: pa.Table, name: str, source: str) -> NDArray[Any]:
    values = _dense(table, name, source)
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise InvalidData(
            f"{source}: {name} of type {table.schema.field(name).type}",
            "must be one number per row, as every column but y, site and split is a channel",
            "Leave it out, or choose the channels: world.channels=[NAME,NAME]",
        )
    return values


def _dense(table: pa.Table, name: str, source: str) -> NDArray[Any]:
    """A column, of nested lists too, as one array; lists of one level must be equally long."""
    if table.column_names.count(name) > 1:
        raise InvalidData(f"{source}: column {name!r}", "is there twice", "Rename one")
    what, column = f"{source}: {name}", table[name]
    array, shape = column.combine_chunks(), [len(column)]
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    while True:
        _check_no_null(array, what)
        if isinstance(array, pa.FixedShapeTensorArray):
            array = array.to_numpy_ndarray()
            return np.asarray(array).reshape(*shape, *array.shape[1:])
        array = _plain(array, what)
        if not any(is_list(array.type) for is_list in _LISTS):
            break
        shape.append(_length(array, what))
        array = array.flatten()
    _check_no_null(array, what)
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False).reshape(shape)
    return values.astype(str) if values.dtype == object else values


def _plain(array: pa.Array, what: str) -> pa.Array:
    """``array`` without what Arrow wraps around numbers, text and lists."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage, what)
    for is_kind, plain in _WRAPPED:
        if is_kind(kind):
            try:
                return plain(array)
            except pa.ArrowException as error:
                raise InvalidData(what, f"is no text in UTF-8 ({error})", "Write text") from error
    if pa.types.is_nested(kind) and not any(is_list(kind) for is_list in _LISTS):
        raise InvalidData(
            f"{what} of type {kind}",
            "must be numbers, text, or lists of numbers",
            "Write it so; a vector of Spark ML is made a list by pyspark.ml.functions"
            ".vector_to_array",
        )
    return array


_WRAPPED: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]] = (
    (pa.types.is_dictionary, lambda array: array.dictionary_decode()),
    (pa.types.is_decimal, lambda array: array.cast(pa.float64())),
    (pa.types.is_binary, lambda array: array.cast(pa.string())),
    (pa.types.is_large_binary, lambda array: array.cast(pa.large_string())),
    (pa.types.is_fixed_size_binary, lambda array: array.cast(pa.binary()).cast(pa.string())),
)


def _length(array: pa.Array, what: str) -> int:
    """The number of values in each list of ``array``."""
    lengths = pc.unique(pc.list_value_length(array)).to_pylist()
    if len(lengths) != 1:
        raise InvalidData(
            f"{what} with lists of {', '.join(map(str, sorted(lengths)[:3]))} values",
            "must have lists of one length",
            "Cut the windows to one length",
        )
    return int(lengths[0])


def _check_no_null(array: pa.Array, what: str) -> None:
    if array.null_count:
        raise InvalidData(
            f"{what} with {array.null_count} nulls", "must have no null", "Fill or remove them"
        )
