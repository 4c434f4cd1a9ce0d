"""CSV files for ``task=arrays``, as pandas and spreadsheets write them.

The separator is a comma, a semicolon or a tab, as the heading shows. Where it is not a comma, a
number may have a decimal comma, as spreadsheets write in much of Europe. A byte-order mark, CRLF,
quotes, lines without a value and white space around values are taken as they come. An empty cell,
NaN, NA, null or ? is a missing number.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from simulate.world.npz import check_fits
from simulate.world.tables import Kind, Words
from simulate.world.tables.lines import LINE_END, CsvText
from simulate.world.tables.ranges import beyond_range
from simulate.world.tables.suspects import numbers_among

SUFFIXES = (".csv", ".tsv", ".txt")
_SEPARATORS = ";\t,"
_HINT = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""A first line by which Excel is told of the separator."""
_LONGEST_ROW = 64 << 20
_COPIES = 6
"""The text, its columns, and the numbers that it becomes, in sizes of the file."""
_BREAK = r"[\r\n]"
_SHOWN = 20
_POINT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA = _POINT.replace(r"\.", ",")
_ENDLESS = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^(0|-?[1-9]\d{0,17})(\.0*)?$"
_NO_NUMBER = pa.array(["", "nan", "na", "n/a", "#n/a", "null", "none", "?"])
"""Ways to write that there is no number, in small letters."""
_NO_WORD = pa.array(["", "nan"])


def is_csv(path: Path) -> bool:
    """Whether ``path`` is a CSV file by its name."""
    return path.suffix.lower() in SUFFIXES


def read_csv(path: Path) -> "TextTable":
    """The table in a CSV file.

    Raises:
        InvalidData: it is no text, or its rows have other numbers of values than its heading.
    """
    check_fits(path, _COPIES * path.stat().st_size)
    csv = _opened(path)
    names, start = csv.heading()
    try:
        columns = _columns(csv.text[start:], len(names), csv.separator, csv.source)
    except InvalidData as error:
        raise csv.unequal() or error from error
    both = zip(names, columns, strict=True)
    named = [(name, column) for name, column in both if name or _holds(column)]
    long = [name for name, column in named if _has_lines(column)] if '"' in csv.text else []
    if long or csv.text.count('"') % 2:
        csv.check_quotes()
    notes = [*_of_heading(names)]
    notes += [f"values of {', '.join(long)} go over several lines between quotes"] if long else []
    return TextTable(csv.source, named, csv.separator != ",", notes)


def _opened(path: Path) -> CsvText:
    whole = _text(path)
    start = len(whole) - len(whole.lstrip("\r\n"))
    hint = _HINT.match(whole, start)
    start = hint.end() if hint else start
    text = whole[start:]
    heading, _, rows = LINE_END.sub("\n", text, count=1).partition("\n")
    if not rows.strip():
        raise InvalidData(str(path), "has no row below its heading", "Give one line for each row")
    separator = hint[1] if hint else max(_SEPARATORS, key=heading.count)
    return CsvText(str(path), text, separator, 1 + len(LINE_END.findall(whole, 0, start)))


def _of_heading(names: Sequence[str]) -> Iterator[str]:
    numbers = numbers_among(names)
    if any(after <= before for before, after in pairwise(numbers)):
        yield (
            f"the first line is taken for the heading, and {len(numbers)} of its {len(names)} names"
            " are numbers: if it is a row, write a heading above it"
        )


def _has_lines(column: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, _BREAK)).as_py())


class TextTable:
    """``columns`` of text with their names; ``commas``: one may stand for a decimal point."""

    def __init__(
        self,
        source: str,
        columns: Sequence[tuple[str, Any]],
        commas: bool,
        notes: Sequence[str] = (),
    ) -> None:
        self.source, self._commas = source, commas
        self.names: Sequence[str] = tuple(name for name, _ in columns)
        self._columns = dict(columns)
        self._rows = len(columns[0][1]) if columns else 0
        self.categories: Mapping[str, tuple[str, ...]] = {}
        self.notes = notes
        self.kind = cache(self._kind)

    def __len__(self) -> int:
        return self._rows

    def _kind(self, name: str) -> Kind:
        """Numbers where at least half of the values are, so that one slip is told, not left out."""
        column = self._columns[name]
        none_N = pc.or_(_is_in(column, _NO_NUMBER), pc.match_substring_regex(column, _ENDLESS))
        there = column.filter(pc.invert(none_N))
        if not len(there):
            return Kind.OTHER
        is_number_N = pc.match_substring_regex(there, _POINT)
        if self._commas:
            is_number_N = pc.or_(is_number_N, pc.match_substring_regex(there, _COMMA))
        numbers = pc.sum(is_number_N).as_py()
        return Kind.NUMBER if 2 * numbers >= len(there) else Kind.TEXT

    def numbers(self, name: str) -> NDArray[Any]:
        """The numbers of a column."""
        column = self._column(name)
        is_endless_N = pc.match_substring_regex(column, _ENDLESS)
        is_number_N = pc.or_(pc.match_substring_regex(column, self._form(column)), is_endless_N)
        missing_N = _is_in(column, _NO_NUMBER)
        fits_N = pc.or_(is_number_N, missing_N)
        if not pc.all(fits_N).as_py():
            row = int(pc.index(fits_N, False).as_py())
            raise InvalidData(
                f"{self.source}: {name} of {self.place(row)}, {column[row].as_py()!r}",
                "must be a number, without separators of thousands, or empty",
                "Correct it, or choose the channels: data.channels=[NAME,NAME]",
            )
        text = pc.replace_substring(column, ",", ".")
        text = pc.if_else(missing_N, pa.scalar(None, pa.string()), text)
        values_N = np.asarray(text.cast(pa.float64()).to_numpy(zero_copy_only=False))
        beyond_N = np.isinf(values_N) & ~np.asarray(is_endless_N)
        if beyond_N.any():
            row = int(beyond_N.argmax())
            raise beyond_range(f"{self.source}: {name} of {self.place(row)}", column[row].as_py())
        return values_N

    def words(self, name: str) -> Words:
        """Whole numbers, where all are, else text: 007 is a name."""
        column = self._column(name)
        if _has_lines(column):
            row = int(pc.index(pc.match_substring_regex(column, _BREAK), True).as_py())
            raise InvalidData(
                f"{self.source}: {name} of {self.place(row)}, {column[row].as_py()[:_SHOWN]!r} ...",
                "goes over several lines, and must be a word",
                "Correct the quotes: one that is closed too late takes in the rows between",
            )
        missing_N = np.asarray(_is_in(column, _NO_WORD))
        there = column.filter(pa.array(~missing_N))
        if not (len(there) and pc.all(pc.match_substring_regex(there, _WHOLE)).as_py()):
            return Words(np.asarray(column.to_pylist(), dtype=str), missing_N)
        values_N = np.zeros(len(column), np.int64)
        values_N[~missing_N] = pc.replace_substring_regex(there, r"\..*", "").cast(pa.int64())
        return Words(values_N, missing_N)

    def place(self, row: int) -> str:
        """The line of the file."""
        return f"line {_opened(Path(self.source)).line_of(row)}"

    def _column(self, name: str) -> pa.Array:
        if self.names.count(name) > 1:
            raise InvalidData(f"{self.source}: column {name!r}", "is there twice", "Rename one")
        return self._columns[name]

    def _form(self, column: pa.Array) -> str:
        has_comma = self._commas and pc.any(pc.match_substring(column, ",")).as_py()
        return _COMMA if has_comma else _POINT


def _is_in(column: pa.Array, words: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_lower(column), value_set=words)


def _text(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            str(path),
            f"must be text in UTF-8 ({error})",
            "Write it so; in Excel: Save as, CSV UTF-8",
        ) from error


def _columns(rows: str, count: int, separator: str, source: str) -> list[pa.Array]:
    """All columns as text, without the rows that have no value."""
    places = [str(place) for place in range(count)]
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
