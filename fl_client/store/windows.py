"""The windows of one task in the store: the sensing process writes, the training process reads.

A window is identified by its cut (task, with the shape before the model, and step), its stream and
its start; adding it again has no effect. A changed task, shape or step makes new windows. Windows
of the old cut are not trained on, and are kept until they are too old or their room is needed.
Labels are joined when windows or annotations of a stream arrive, by a rule that depends on neither
order nor repetition (``truths``).
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.store import annotations, left_out
from fl_client.store.agreement import ROWS, Agreement, Pair, Said, marks_of
from fl_client.store.annotations import Annotations, Span
from fl_client.store.database import transaction
from fl_client.windows import Place, Slicing, Window
from fl_client.windows.grid import Grid
from fl_client.windows.truths import truths_of
from fl_client.windows.truths.kept import Told
from fl_common.configuration.rules import inside, number, require, require_fields
from fl_common.vocabulary import Floats, Task
from models.kinds import kind_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
    id INTEGER PRIMARY KEY,
    cut TEXT NOT NULL,
    stream TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    label INTEGER,
    predicted INTEGER,
    UNIQUE (cut, stream, start_ns)
);
CREATE INDEX IF NOT EXISTS windows_labelled ON windows (cut, start_ns) WHERE label IS NOT NULL;
CREATE INDEX IF NOT EXISTS windows_unpredicted ON windows (cut, start_ns, stream)
    WHERE predicted IS NULL;
CREATE TABLE IF NOT EXISTS window_values (
    id INTEGER PRIMARY KEY REFERENCES windows (id) ON DELETE CASCADE, content BLOB NOT NULL
);
"""
_REMOVED_AT_ONCE = 5000
_TOLD = "FROM windows WHERE cut = ? AND label IS NOT NULL AND predicted IS NOT NULL"
_JUDGED = f"SELECT label, predicted, count(*) {_TOLD} GROUP BY label, predicted"
_NEWEST = 1000
_JUDGED_ROWS = f"SELECT label, predicted, 1 {_TOLD} ORDER BY start_ns DESC LIMIT {_NEWEST}"
"""Of predictions of several numbers, few of which are alike."""


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """The number of the task's windows that are kept, have a label, or wait for a prediction.

    ``need_labels``: a window without a label is for nothing but predictions.
    """

    kept: int
    labelled: int
    unpredicted: int
    agreement: Agreement = field(default_factory=Agreement)
    need_labels: bool = True

    def shown(self) -> Mapping[str, int]:
        """What the status of a box has of them."""
        return {"kept": self.kept, "labelled": self.labelled, "need_labels": self.need_labels}


_FIRST: Place = (-1, "")
_FOREVER = 1e5  # days


class Mark(NamedTuple):
    """What was predicted for a window, as ``WindowStore.marks_of`` has it."""

    stream: str
    start_ns: int
    label: Said

    @staticmethod
    def of(window: Window, said: Said) -> "Mark":
        """That this was ``said`` of ``window``."""
        return Mark(window.stream, window.start_ns, said)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long windows are kept, ``days``, and how many bytes of them, ``megabytes`` of 2**20.

    Raises:
        InvalidConfiguration: a value that is not above 0.
    """

    days: float
    megabytes: float

    def __post_init__(self) -> None:
        some = number("must be above 0", lambda most: most > 0)  # infinity keeps all
        require_fields("retention", self, days=some, megabytes=some)

    def oldest_ns(self, now_ns: int) -> int:
        """Before when nothing is kept."""
        return now_ns - round(min(self.days, _FOREVER) * 86_400 * 10**9)


class WindowStore:
    """The windows of ``task`` cut by ``slicing``, and the annotations, in an open store.

    A label's intervals must cover ``label_share`` of a window. Each method is one transaction, or
    part of the caller's.

    Raises:
        InvalidConfiguration: a share outside (0, 1], or a task without a time axis.
        StoreError: here and in each method, when the file can't be read or written.
    """

    def __init__(
        self, connection: sqlite3.Connection, task: Task, slicing: Slicing, label_share: float
    ) -> None:
        require("label_share", label_share, inside("(0, 1]"))
        self.connection = connection
        self._task, self._kind = task, kind_of(task)
        self._truths = truths_of(task, slicing)
        self.cut = cut_of(task, slicing)
        """The short name for how its windows are cut."""
        self.length_ns = Grid(task, slicing).length_ns
        """The time that a window stands for."""
        self._share = label_share
        with transaction(connection):
            for statement in filter(
                str.strip, (annotations.SCHEMA + left_out.SCHEMA + SCHEMA).split(";")
            ):
                connection.execute(statement)
        self._annotations = Annotations(connection)

    def add(self, windows: Sequence[Window]) -> list[Window]:
        """Store the windows; those that are new."""
        new = []
        with transaction(self.connection):
            starts: dict[str, list[int]] = {}
            for window in windows:
                if self._add(window):
                    new.append(window)
                starts.setdefault(window.stream, []).append(window.start_ns)
            for stream, those in starts.items():
                self._relabel(stream, min(those), max(those))
        return new

    def annotate(self, annotations: Sequence[Annotation]) -> Counter[str]:
        """Store the intervals and label their windows; how many tell nothing, by the reason."""
        with transaction(self.connection):
            for a in annotations:
                self._annotations.add(a)
                self._relabel(a.stream, a.from_ns - self.length_ns, a.to_ns)
        return Counter(filter(None, (self._truths.why_unused(a.label) for a in annotations)))

    def withdraw(self, stream: str, name: str) -> None:
        """Take the annotation of this id back, and label its windows by those that are left."""
        with transaction(self.connection):
            if span := self._annotations.withdraw(stream, name):
                self._relabel(stream, span.from_ns - self.length_ns, span.to_ns)

    def unpredicted(self, limit: int, after: Place | None = None) -> list[Window]:
        """Up to ``limit`` windows that wait for a prediction, oldest first.

        They come in the order of ``Window.place``, from the first one behind ``after`` on.
        """
        with transaction(self.connection):
            rows = self.connection.execute(
                "SELECT start_ns, content, stream FROM windows JOIN window_values USING (id)"
                " WHERE cut = ? AND predicted IS NULL AND (start_ns, stream) > (?, ?)"
                " ORDER BY start_ns, stream LIMIT ?",
                (self.cut, *(after or _FIRST), limit),
            ).fetchall()
        shape, name = self._task.window_shape, self._task.name
        return [Window(name, s, np.frombuffer(c, "<f4").reshape(shape), of) for s, c, of in rows]

    def marks_of(self, answers_ND: Floats, answered_N: NDArray[np.bool_]) -> list[Said]:
        """Answers as ``predicted`` takes them."""
        return marks_of(self._kind, self._kind.chosen(answers_ND), answered_N)

    def has(self, window: Window) -> bool:
        """Whether a window like this is kept, of its stream and start."""
        which = "SELECT 1 FROM windows WHERE cut = ? AND stream = ? AND start_ns = ?"
        about = (self.cut, window.stream, window.start_ns)
        return self.connection.execute(which, about).fetchone() is not None

    def pass_by(self, windows: Sequence[Window]) -> None:
        """Let windows wait for no prediction."""
        none_ND = np.zeros((len(windows), self._kind.outputs), np.float32)
        marks = self.marks_of(none_ND, np.zeros(len(windows), np.bool_))
        self.predicted(map(Mark.of, windows, marks))

    def predicted(self, marks: Iterable[Mark]) -> None:
        """Store what was predicted for each window."""
        with transaction(self.connection):
            self.connection.executemany(
                "UPDATE windows SET predicted = ? WHERE cut = ? AND stream = ? AND start_ns = ?",
                [(mark.label, self.cut, mark.stream, mark.start_ns) for mark in marks],
            )

    def counts(self) -> WindowCounts:
        """The number of windows of each kind."""
        with transaction(self.connection):
            kept, labelled, waiting = self.connection.execute(
                "SELECT count(*), count(label), count(*) - count(predicted)"
                " FROM windows WHERE cut = ?",
                (self.cut,),
            ).fetchone()
            query = _JUDGED_ROWS if self._kind.truth in ROWS else _JUDGED
            pairs: list[Pair] = self.connection.execute(query, (self.cut,)).fetchall()
        agreement = Agreement.of(self._kind, self._truths, pairs)
        return WindowCounts(kept, labelled, waiting, agreement, self._kind.truth.needs_people)

    def retain(self, retention: Retention, now_ns: int) -> int:
        """Remove windows that are too old or too many; the number removed.

        To reduce the size, windows of another cut are removed first, then unlabelled ones, then
        labelled ones, oldest first. One call removes a few thousand windows at most, so that it
        does not block others; the next one continues. The file keeps its size and reuses it.
        """
        oldest_ns = retention.oldest_ns(now_ns)
        size = 4 * int(np.prod(self._task.window_shape))
        with transaction(self.connection):
            removed = self._remove("start_ns < ?", (oldest_ns,), _REMOVED_AT_ONCE)
            self._annotations.forget(oldest_ns)
            left_out.forget(self.connection, oldest_ns)
            (count,) = self.connection.execute("SELECT count(*) FROM windows").fetchone()
            excess = min(count - int(retention.megabytes * 2**20 / size), _REMOVED_AT_ONCE)
            for which in ("cut != ?", "cut = ? AND label IS NULL", "cut = ?"):
                gone = self._remove(which, (self.cut,), excess)
                removed, excess = removed + gone, excess - gone
        return removed

    def _add(self, window: Window) -> bool:
        cursor = self.connection.execute(
            "INSERT OR IGNORE INTO windows (cut, stream, start_ns) VALUES (?, ?, ?)",
            (self.cut, window.stream, window.start_ns),
        )
        if cursor.rowcount:
            content = window.values_TC.astype("<f4").tobytes()
            self.connection.execute(
                "INSERT INTO window_values VALUES (?, ?)", (cursor.lastrowid, content)
            )
        return bool(cursor.rowcount)

    def _relabel(self, stream: str, from_ns: int, to_ns: int) -> None:
        """Label the stream's windows that start within these by its annotations."""
        rows = self.connection.execute(
            "SELECT id, start_ns, label FROM windows"
            " WHERE cut = ? AND stream = ? AND start_ns BETWEEN ? AND ?",
            (self.cut, stream, from_ns, to_ns),
        ).fetchall()
        if not rows:
            return
        starts_N = np.array([start for _, start, _ in rows], np.int64)
        end_ns = int(starts_N.max()) + self.length_ns
        known = self._annotations.touching(Span(stream, int(starts_N.min()), end_ns))
        told = self._truths.told(starts_N, known, self._share)
        self.connection.executemany(
            "UPDATE windows SET label = ? WHERE id = ?", _changes(rows, told)
        )

    def _remove(self, which: str, values: tuple[object, ...], limit: int) -> int:
        """Remove the ``limit`` oldest windows that meet ``which``, an SQL condition."""
        if limit <= 0:
            return 0
        return self.connection.execute(
            "DELETE FROM windows WHERE id IN"
            f" (SELECT id FROM windows WHERE {which} ORDER BY start_ns LIMIT ?)",
            (*values, limit),
        ).rowcount


def cut_of(task: Task, slicing: Slicing) -> str:
    """A short name for how windows are cut: the task's whole definition, the step, what holds."""
    held = [[channel for channel, _ in slicing.held]] if slicing.held else []
    text = json.dumps([task.to_fields(), slicing.step, *held], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _changes(rows: list[tuple[int, int, Told]], told: Sequence[Told]) -> list[tuple[Told, int]]:
    """What was told, and the id, of the rows of which that has changed."""
    pairs = zip(told, rows, strict=True)
    return [(new, row_id) for new, (row_id, _, old) in pairs if new != old]
