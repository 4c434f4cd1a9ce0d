"""CSV files for ``task=arrays``, as pandas and spreadsheets write them.

The separator is a comma, a semicolon or a tab, as the heading shows. Where it is not a comma, a
number may have a decimal comma, as spreadsheets write in much of Europe. A byte-order mark, CRLF,
quotes, lines without a value and white space around values are taken as they come.
"""

import codecs
import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from simulate.world.arrays_table import OTHERS, channels_of

_SUFFIXES = (".csv", ".tsv", ".txt")
_SEPARATORS = ";\t,"
_HINT = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""A first line by which Excel is told of the separator."""
_LONGEST_ROW = 64 << 20
_LINE_END = re.compile(r"\r\n?|\n")
_POINT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA = _POINT.replace(r"\.", ",")
_WHOLE = r"^(0|-?[1-9]\d{0,17})(\.0*)?$"


def is_csv(path: Path) -> bool:
    """Whether ``path`` is a CSV file by its name."""
    return path.suffix.lower() in _SUFFIXES


def read_csv(path: Path, declared: Sequence[str] | None) -> tuple[NamedArrays, tuple[str, ...]]:
    """The columns y, site and split, the channels as ``x`` (N, C), and the channels' names.

    Raises:
        InvalidData: it is no CSV file with such columns, or a value is missing or is no number.
    """
    source, text = str(path), _text(path)
    if hint := _HINT.match(text):
        text = text[hint.end() :]
    heading, _, rows = _LINE_END.sub("\n", text, count=1).partition("\n")
    if not rows.strip():
        raise InvalidData(source, "has no row below its heading", "Give one line for each window")
    separator = hint[1] if hint else max(_SEPARATORS, key=heading.count)
    names = [name.strip() for name in next(csv.reader([heading], delimiter=separator), [])]
    columns = zip(names, _columns(rows, names, separator, source), strict=True)
    named = [(name, column) for name, column in columns if name or _holds(column)]
    channels = channels_of([name for name, _ in named], declared, source)
    by_name = dict(named)
    x = [_numbers(by_name[name], name, separator != ",", source) for name in channels]
    arrays = {name: _words(by_name[name]) for name in OTHERS if name in by_name}
    return {"x": np.stack(x, axis=1), **arrays}, channels


def _text(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig").lstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidData(
            str(path),
            f"must be text in UTF-8 ({error})",
            "Write it so; in Excel: Save as, CSV UTF-8",
        ) from error


def _columns(rows: str, names: list[str], separator: str, source: str) -> list[pa.Array]:
    """All columns as text, without the rows that have no value."""
    places = [str(place) for place in range(len(names))]
    try:
        table = pacsv.read_csv(
            pa.py_buffer(rows.encode()),
            pacsv.ReadOptions(column_names=places, block_size=_LONGEST_ROW),
            pacsv.ParseOptions(delimiter=separator),
            pacsv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError, MemoryError) as error:
        words = " ".join(str(error).split())[:200]
        raise InvalidData(
            source,
            f"must have as many values in every row as the heading has names ({words})",
            "Correct the row",
        ) from error
    columns = [pc.utf8_trim_whitespace(column.combine_chunks()) for column in table.columns]
    length = pc.utf8_length(columns[0])
    for column in columns[1:]:
        length = pc.add(length, pc.utf8_length(column))
    has_value = pc.greater(length, 0)
    return [column.filter(has_value) for column in columns]


def _holds(column: pa.Array) -> bool:
    return bool(pc.any(pc.not_equal(column, "")).as_py())


def _numbers(column: pa.Array, name: str, commas: bool, source: str) -> NDArray[Any]:
    """The numbers of a channel; ``commas``: one may stand for the decimal point."""
    form = _COMMA if commas and bool(pc.any(pc.match_substring(column, ",")).as_py()) else _POINT
    matches_N = pc.match_substring_regex(column, form)
    if not pc.all(matches_N).as_py():
        row = int(pc.index(matches_N, False).as_py())
        raise InvalidData(
            f"{source}: {name} of row {row} below the heading, {column[row].as_py()!r}",
            "must be a number, without separators of thousands, as every column but y, site and"
            " split is a channel",
            "Correct it, or choose the channels: world.channels=[NAME,NAME]",
        )
    return np.asarray(pc.replace_substring(column, ",", ".").cast(pa.float64()))


def _words(column: pa.Array) -> NDArray[Any]:
    """Whole numbers, where all are, else text: 007 is a name."""
    if len(column) and pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
        whole = pc.replace_substring_regex(column, r"\..*", "")
        return np.asarray(whole.cast(pa.int64()))
    return np.asarray(column.to_pylist(), dtype=str)
