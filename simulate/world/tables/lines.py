"""The lines of a CSV file: its heading, and for messages its rows, one by one."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fl_common.errors import InvalidData

LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class CsvText:
    """``text`` from its heading on, which is on line ``first`` of the file ``source``, from 1."""

    source: str
    text: str
    separator: str
    first: int

    def heading(self) -> tuple[list[str], int]:
        """The names of the columns, and where in ``text`` the rows begin.

        Raises:
            InvalidData: a quote is not closed, or is followed by more of the value.
        """
        _, names, length = next(self._rows())
        return [LINE_END.sub(" ", name).strip() for name in names], length

    def line_of(self, row: int) -> int:
        """The line on which a row begins, which is counted from 0 below the heading."""
        return next(islice(self._rows(), row + 1, None))[0]

    def check_quotes(self) -> None:
        """Raise InvalidData for a quote that makes one value of what follows it."""
        for _ in self._rows():
            pass

    def unequal(self) -> InvalidData | None:
        """What to say of the first row with another number of values than the heading, if one is.

        Raises:
            InvalidData: a quote is not closed.
        """
        rows = self._rows()
        _, heading, _ = next(rows)
        for line, row, _ in rows:
            if len(row) != len(heading):
                return InvalidData(
                    f"{self.source}: line {line} with {len(row)} values",
                    f"must have as many as the heading has names, {len(heading)}",
                    "Correct the line",
                )
        return None

    def _rows(self) -> Iterator[tuple[int, list[str], int]]:
        """The line on which a row with a value begins, its values, and where its text ends."""
        ends = _Ends(self.text)
        reader = csv.reader(ends, delimiter=self.separator, strict=True)
        while True:
            line = self.first + reader.line_num
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise InvalidData(
                    f"{self.source}: line {line}",
                    f'has a quote (") that nothing closes, or text behind one that does ({error})',
                    'Close it before the separator; inside of a value write a quote twice: ""',
                ) from error
            if row is None:
                return
            if any(value.strip() for value in row):
                yield line, row, ends.end


class _Ends:
    """The lines of a text, with their ends; ``end`` is where the last one that was given ends."""

    def __init__(self, text: str) -> None:
        self._text, self._found, self.end = text, LINE_END.finditer(text), 0

    def __iter__(self) -> "_Ends":
        return self

    def __next__(self) -> str:
        start, match = self.end, next(self._found, None)
        self.end = match.end() if match else len(self._text)
        if start == len(self._text):
            raise StopIteration
        return self._text[start : self.end]
