"""A recording as a CSV file: a column ``time``, one for each channel, and perhaps ``label``."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl_client.sensors import Annotation, Readings
from fl_client.windows import Source
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Task

_ROWS = 50
_TIME, _LABEL = "time", "label"


@dataclass(frozen=True)
class Piece:
    """Some rows of a recording as items of the spool, the bytes read so far, and the last stamp."""

    items: list[Readings | Annotation]
    rows: int
    bytes_read: int
    now_ns: int


class RecordedReadings:
    """The CSV file at ``path``: ``time`` in nanoseconds since 1970, values in the task's units.

    Empty values are missing. Rows of one ``label`` that follow each other are one annotation.

    Raises:
        InvalidData: no such file, or it lacks a column.
    """

    def __init__(self, path: Path, task: Task, sources: list[Source]) -> None:
        self._path, self._sources = path, sources
        try:
            with path.open(newline="", encoding="utf-8") as file:
                self._header = next(csv.reader(file), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidData(str(path), f"can't be read ({error})", "Give a CSV file") from error
        for name in (_TIME, *task.channels):
            if name not in self._header:
                columns = ", ".join((_TIME, *task.channels))
                raise self._wrong(1, f"has no column {name}", f"Its columns are {columns}, label")
        self.size = path.stat().st_size

    def pieces(self) -> Iterator[Piece]:
        """The recording, in order.

        Raises:
            InvalidData: a line is not a reading.
        """
        with self._path.open("rb") as file:
            file.readline()
            for first in itertools.count(2, _ROWS):
                lines = list(itertools.islice(file, _ROWS))
                if not lines:
                    return
                texts = [line.decode("utf-8", "replace") for line in lines]
                yield self._piece(texts, first, file.tell())

    def _piece(self, lines: list[str], first: int, bytes_read: int) -> Piece:
        rows = list(csv.DictReader(lines, fieldnames=self._header))
        try:
            if any(None in row or None in row.values() for row in rows):
                raise ValueError("it has another number of columns than the first line")
            times_N = np.array([int(row[_TIME]) for row in rows], np.int64)
            items: list[Readings | Annotation] = [
                Readings(source.name, str(times_N[0]), times_N, _values(rows, source.channels))
                for source in self._sources
            ]
        except (ValueError, TypeError, OverflowError) as error:
            remedy = "time is whole nanoseconds, values are numbers"
            raise self._wrong(
                first, f"has a line that is not a reading ({error})", remedy
            ) from error
        if _LABEL in self._header:
            items += _annotations(times_N.tolist(), [row[_LABEL] for row in rows])
        return Piece(items, len(rows), bytes_read, int(times_N[-1]))

    def _wrong(self, line: int, rule: str, remedy: str) -> InvalidData:
        return InvalidData(f"{self._path}, from line {line}", rule, remedy)


def _values(rows: list[dict[str, str]], channels: tuple[str, ...]) -> Floats:
    return np.array(
        [[float(row[name]) if row[name] else np.nan for name in channels] for row in rows],
        np.float32,
    )


def _annotations(times: list[int], labels: list[str]) -> Iterator[Annotation]:
    """Intervals of one label; each ends a period after its last row, where the next one starts."""
    period = (times[-1] - times[0]) // max(1, len(times) - 1)
    first = 0
    for label, group in itertools.groupby(labels):
        last = first + len(list(group)) - 1
        if label:
            start, end = times[first], times[last] + max(1, period)
            yield Annotation(f"{start}-{label}", start, end, label)
        first = last + 1
