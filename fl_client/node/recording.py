"""A recording as a CSV file: ``time``, each channel, and perhaps ``label`` and ``stream``."""

import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl_client.sensors import Annotation, Readings
from fl_client.windows import Source
from fl_client.windows.labels import PLAIN_NUMBER
from fl_client.windows.truths import Truths
from fl_common.configuration.printable import hidden
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Task

_Columns = Mapping[str, Sequence[str]]
_ROWS = 50
_TIME, _LABEL, _STREAM = "time", "label", "stream"
_SEPARATORS = ";\t,"
_WHOLE = re.compile(r"\d{1,20}", re.ASCII)
_EARLIEST_NS, _LATEST_NS = 10**18, 92 * 10**17
"""2001 and 2261: a time of now in a coarser unit lies before the first."""
_FINER = {"seconds": 10**9, "ms": 10**6, "us": 10**3}


@dataclass(frozen=True)
class Piece:
    """Some rows of a recording as items of the spool, the bytes read so far, and the last stamp."""

    items: list[Readings | Annotation]
    rows: int
    bytes_read: int
    now_ns: int


class RecordedReadings:
    """The CSV file at ``path``: ``time`` in nanoseconds since 1970, values in the task's units.

    The separator is a comma, a semicolon or a tab, as the heading shows; where it is not a comma,
    numbers may have a decimal comma. A byte-order mark, CRLF and quotes are taken as they come.
    Empty values are missing. Rows of one ``label`` that follow each other are one annotation, as
    ``truths`` takes it. Where
    there is a column ``stream``, a row is of the stream that it names.

    Raises:
        InvalidData: no such file, or it lacks a column; or the task is of pictures.
    """

    def __init__(self, path: Path, task: Task, sources: list[Source], truths: Truths) -> None:
        if task.is_of_pictures:
            rule = f"can't be played to task {task.name}, whose windows are pictures"
            raise InvalidData(str(path), rule, "Send them to a box, as its camera does")
        self._path, self._sources, self._truths = path, sources, truths
        try:
            with path.open("rb") as file:
                heading = file.readline().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            rule = f"can't be read ({error})"
            raise InvalidData(str(path), rule, "Give a CSV file in UTF-8") from error
        self._separator = max(_SEPARATORS, key=heading.count)
        self._header = [name.strip() for name in next(self._read([heading]), [])]
        for name in (_TIME, *task.channels):
            if name not in self._header:
                columns = ", ".join((_TIME, *task.channels, _LABEL, _STREAM))
                raise self._wrong(1, f"has no column {name}", f"Its columns are {columns}")
        self.size = path.stat().st_size

    def pieces(self) -> Iterator[Piece]:
        """The recording, in order.

        Raises:
            InvalidData: a line is not a reading, or has a label that tells nothing of the task.
        """
        with self._path.open("rb") as file:
            file.readline()
            for first in itertools.count(2, _ROWS):
                lines = list(itertools.islice(file, _ROWS))
                if not lines:
                    return
                texts = [line.decode("utf-8", "replace") for line in lines]
                if rows := [row for row in self._read(texts) if row]:
                    yield self._piece(rows, first, file.tell())

    def _read(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._separator)

    def _piece(self, rows: list[list[str]], first: int, bytes_read: int) -> Piece:
        try:
            columns = dict(zip(self._header, zip(*rows, strict=True), strict=True))
            last_ns = _nanoseconds(columns[_TIME][-1])
            parts = [self._part(part, stream) for stream, part in _by_stream(columns)]
        except (csv.Error, ValueError, OverflowError) as error:
            remedy = "time is whole nanoseconds, values are numbers (1000, not 1_000) or empty"
            raise self._wrong(
                first, f"has a line that is not a reading ({error})", remedy
            ) from error
        labels = {label.strip() for label in columns.get(_LABEL, ())}
        if unused := [one for one in labels if one and self._truths.why_unused(one)]:
            rule = f"has the label {min(unused)!r}, which must be {self._truths.expects}"
            raise self._wrong(first, rule, "Correct it, or leave it empty")
        return Piece(list(itertools.chain(*parts)), len(rows), bytes_read, last_ns)

    def _part(self, columns: _Columns, stream: str) -> list[Readings | Annotation]:
        """The items of some rows, which are all of ``stream``."""
        times_N = np.array([_nanoseconds(text) for text in columns[_TIME]], np.int64)
        name = " ".join(filter(None, (stream, str(times_N[0]))))
        labels = [label.strip() for label in columns.get(_LABEL, ())]
        return [
            *(
                Readings(one.name, name, times_N, self._values(columns, one), stream=stream)
                for one in self._sources
            ),
            *_annotations(times_N.tolist(), labels, stream),
        ]

    def _values(self, columns: _Columns, source: Source) -> Floats:
        point = "." if self._separator == "," else ","
        return np.array(
            [[_number(text, point) for text in columns[name]] for name in source.channels],
            np.float32,
        ).T

    def _wrong(self, line: int, rule: str, remedy: str) -> InvalidData:
        return InvalidData(f"{self._path}, from line {line}", rule, remedy)


def _nanoseconds(text: str) -> int:
    """A stamp.

    Raises:
        ValueError: it is no whole number, or lies before 2001, as in seconds or milliseconds.
    """
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"time {text[:40]!r} is no whole number")
    stamp = int(text)
    for unit, factor in _FINER.items():
        if stamp < _EARLIEST_NS <= stamp * factor < _LATEST_NS:
            raise ValueError(f"time {stamp} is in {unit}, not in ns: multiply it by {factor:_}")
    if not _EARLIEST_NS <= stamp < _LATEST_NS:
        raise ValueError(f"time {stamp} lies outside 2001 to 2261")
    return stamp


def _number(text: str, point: str) -> float:
    """A value, NaN where there is none; ``point`` may stand for the decimal point."""
    text = text.strip()
    if not text:
        return math.nan
    if not PLAIN_NUMBER.fullmatch(plain := text.replace(point, ".")):
        raise ValueError(f"{text[:40]!r} is no number")
    return float(plain)


def _by_stream(columns: _Columns) -> Iterator[tuple[str, _Columns]]:
    """The streams of some rows, in the order of their first ones, each with its own rows."""
    names = [name.strip() for name in columns.get(_STREAM, ("",) * len(columns[_TIME]))]
    for stream in dict.fromkeys(names):
        if found := hidden(stream):
            raise ValueError(f"the name of a stream has the character {found}")
        own = [name == stream for name in names]
        yield stream, {name: list(itertools.compress(rows, own)) for name, rows in columns.items()}


def _annotations(times: list[int], labels: list[str], stream: str) -> Iterator[Annotation]:
    """Intervals of one label; each ends a period after its last row, where the next one starts."""
    period = (times[-1] - times[0]) // max(1, len(times) - 1)
    first = 0
    for label, group in itertools.groupby(labels):
        last = first + len(list(group)) - 1
        if label:
            start, end = times[first], times[last] + max(1, period)
            name = " ".join(filter(None, (stream, f"{start}-{label}")))
            yield Annotation(name, start, end, label, stream)
        first = last + 1
