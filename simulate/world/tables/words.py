"""Columns of names: whole numbers or texts, one in each row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from simulate.world.tables import Words


def words_of(column: NDArray[Any], name: str, source: str) -> Words:
    """The whole numbers or texts of ``column``, as int64, uint64 (beyond int64 alone) or str.

    Whole numbers may be written as floats, as pandas does with a column that has gaps. White space
    around a text is left out; empty text and NaN are missing.

    Raises:
        InvalidData: another type or shape.
    """
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or column.dtype.kind not in "iubUSf":
        raise _neither(name, column, source)
    if column.dtype.kind in "US":
        texts_N = _texts(column, name, source)
        return Words(texts_N, texts_N == "")
    if column.dtype.kind != "f":
        fits = column.dtype.kind != "u" or int(column.max(initial=0)) <= np.iinfo(np.int64).max
        whole_N = column.astype(np.int64 if fits else np.uint64)
        return Words(whole_N, np.zeros(len(column), np.bool_))
    missing_N = np.isnan(column)
    there_N = np.where(missing_N, 0.0, column.astype(np.float64))
    if not ((np.abs(there_N) < 2.0**53) & (there_N == np.floor(there_N))).all():
        raise _neither(name, column, source)
    return Words(there_N.astype(np.int64), missing_N)


def _texts(column: NDArray[Any], name: str, source: str) -> NDArray[Any]:
    try:
        decoded = np.strings.decode(column, "utf-8") if column.dtype.kind == "S" else column
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{source}: {name}", f"is no text in UTF-8 ({error})", "Write it as text"
        ) from error
    return np.asarray(np.strings.strip(decoded))


def _neither(name: str, column: NDArray[Any], source: str) -> InvalidData:
    return InvalidData(
        f"{source}: {name} of shape {column.shape} and type {column.dtype}",
        "must be one whole number or text per row",
        "Write it so, or name another column: data.label=NAME, data.site=NAME",
    )
