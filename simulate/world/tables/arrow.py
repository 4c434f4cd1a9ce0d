"""Columns of Arrow, as Parquet files and data sets of Hugging Face have them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from simulate.world.tables import Kind, Words
from simulate.world.tables.words import words_of

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_TEXTS = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")


class ArrowTable:
    """A table of Arrow; dictionaries, nested lists, tensors and nulls are taken as they come."""

    def __init__(
        self,
        source: str,
        table: pa.Table,
        categories: Mapping[str, tuple[str, ...]],
        notes: Sequence[str] = (),
    ) -> None:
        self.source, self._table = source, table
        self.names: Sequence[str] = tuple(table.column_names)
        self.categories, self.notes = categories, notes

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def kind(self, name: str) -> Kind:
        """What the column holds, by its type; OTHER where no number is finite."""
        kind = _kind(self._field(name).type)
        return Kind.OTHER if kind == Kind.NUMBER and _is_empty(self._table[name]) else kind

    def numbers(self, name: str) -> NDArray[Any]:
        """A column, of nested lists too, as one array; lists of one level are equally long."""
        values = _dense(self._whole(name), f"{self.source}: {name}")
        if values.dtype.kind not in "iufb":
            raise InvalidData(
                f"{self.source}: {name} of type {self._field(name).type}",
                "must be numbers",
                "Leave it out, or choose the channels: data.channels=[NAME,NAME]",
            )
        return values

    def words(self, name: str) -> Words:
        """A column of whole numbers or text."""
        what, array = f"{self.source}: {name}", _plain(self._whole(name), f"{self.source}: {name}")
        missing_N = np.asarray(array.is_null(nan_is_null=True))
        if not missing_N.any():
            return words_of(_dense(array, what), name, self.source)
        words = words_of(_dense(array.filter(~missing_N), what), name, self.source)
        values_N = np.zeros(len(array), words.values_N.dtype)
        values_N[~missing_N] = words.values_N
        missing_N[~missing_N] = words.missing_N
        return Words(values_N, missing_N)

    def place(self, row: int) -> str:
        """The row, counted from 1."""
        return f"row {row + 1}"

    def _field(self, name: str) -> pa.Field:
        if self.names.count(name) > 1:
            raise InvalidData(f"{self.source}: column {name!r}", "is there twice", "Rename one")
        return self._table.schema.field(name)

    def _whole(self, name: str) -> pa.Array:
        field = self._field(name)
        array = self._table[name].combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            return array.chunk(0) if array.num_chunks else pa.array([], field.type)
        return array


def _kind(kind: pa.DataType) -> Kind:
    if isinstance(kind, pa.FixedShapeTensorType):
        return Kind.WINDOW
    if isinstance(kind, pa.BaseExtensionType):
        return _kind(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if any(is_list(kind) for is_list in _LISTS):
        return Kind.WINDOW
    if pa.types.is_temporal(kind):
        return Kind.TIME
    if str(kind) in _TEXTS or pa.types.is_fixed_size_binary(kind):
        return Kind.TEXT
    is_number = pa.types.is_primitive(kind) or pa.types.is_decimal(kind)
    return Kind.NUMBER if is_number and not pa.types.is_null(kind) else Kind.OTHER


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Whether no row has a finite number; without any row it is not."""
    if pa.types.is_floating(column.type):
        return len(column) > 0 and not pc.any(pc.is_finite(column.cast(pa.float64()))).as_py()
    return 0 < len(column) == int(column.null_count)


def _dense(array: pa.Array, what: str) -> NDArray[Any]:
    """An array of nested lists as one of numpy; a row that is null is NaN, and so is a number."""
    shape, is_there_N = [len(array)], None
    while True:
        array = _plain(array, what)
        if isinstance(array, pa.FixedShapeTensorArray):
            values = np.asarray(array.to_numpy_ndarray())
            return _spread(values.reshape(*shape, *values.shape[1:]), is_there_N)
        if not any(is_list(array.type) for is_list in _LISTS):
            break
        if array.null_count:
            if len(shape) > 1:
                raise InvalidData(
                    f"{what} with {array.null_count} null lists inside of windows",
                    "must have a number, or null, for each reading",
                    "Write null in place of a reading, or remove the rows",
                )
            is_there_N = np.asarray(array.is_valid())
            array = array.drop_null()
            shape[0] = len(array)
        shape.append(_length(array, what))
        array = array.flatten()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    values = array.to_numpy(zero_copy_only=False)
    values = (values.astype(str) if values.dtype == object else values).reshape(shape)
    return _spread(values, is_there_N)


def _spread(values: NDArray[Any], is_there_N: NDArray[np.bool_] | None) -> NDArray[Any]:
    """The rows at their places among those that are null, which become NaN."""
    if is_there_N is None:
        return values
    spread = np.full((len(is_there_N), *values.shape[1:]), np.nan, np.float64)
    spread[is_there_N] = values
    return spread


def _plain(array: pa.Array, what: str) -> pa.Array:
    """``array`` without what Arrow wraps around numbers, text and lists."""
    kind = array.type
    if isinstance(array, pa.FixedShapeTensorArray):
        return array
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage, what)
    for is_kind, plain in _WRAPPED:
        if is_kind(kind):
            try:
                return _plain(plain(array), what)
            except pa.ArrowException as error:
                raise InvalidData(what, f"is no text in UTF-8 ({error})", "Write text") from error
    if pa.types.is_nested(kind) and not any(is_list(kind) for is_list in _LISTS):
        raise InvalidData(
            f"{what} of type {kind}",
            "must be numbers, text, or lists of numbers",
            "Write it so; a vector of Spark ML is made a list by pyspark.ml.functions"
            ".vector_to_array, and an image that is kept as a file by numpy.array(row['image'])",
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
            f"{what} with lists of {', '.join(map(str, sorted(lengths)[:3])) or 'no'} values",
            "must have lists of one length",
            "Cut the windows to one length; fl-simulate windows cuts them from recordings",
        )
    return int(lengths[0])
