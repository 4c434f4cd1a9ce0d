"""What the command line asks of labels; the sensing process, which writes windows, carries it out.

A request is a row that waits, so a box that is off carries it out when it starts. The task is kept
beside them: the command refuses a label that tells nothing of it.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from fl_client.sensors import Annotation
from fl_client.store.database import transaction
from fl_client.store.in_memory import is_in_memory
from fl_common.vocabulary import Task

_SCHEMA = """
CREATE TABLE IF NOT EXISTS label_requests (
    number INTEGER PRIMARY KEY, stream TEXT NOT NULL, id TEXT NOT NULL, from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL, label TEXT NOT NULL, withdrawn INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS labelled_task (
    one INTEGER PRIMARY KEY CHECK (one = 1), task TEXT NOT NULL, cut TEXT NOT NULL
);
"""


class LabelRequest(NamedTuple):
    """An annotation to keep, or to withdraw."""

    annotation: Annotation
    is_withdrawn: bool


class LabelRequests:
    """The requests on ``connection`` of a box whose task is ``task``, with windows of ``cut``.

    Where windows are in memory alone, so are labels, and the command line sees no task.
    """

    def __init__(self, connection: sqlite3.Connection, task: Task, cut: str) -> None:
        self._connection = connection
        with transaction(connection):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute("DELETE FROM labelled_task")
            if not is_in_memory(connection):
                row = json.dumps(task.to_fields()), cut
                connection.execute("INSERT INTO labelled_task VALUES (1, ?, ?)", row)

    def take(self) -> Sequence[LabelRequest]:
        """Those that wait, in order, and then no longer; part of the caller's transaction."""
        found = requests_in(self._connection)
        if found:
            self._connection.execute("DELETE FROM label_requests")
        return found


def requests_in(connection: sqlite3.Connection) -> list[LabelRequest]:
    """Those that wait, for readers, too."""
    rows = connection.execute(
        "SELECT id, from_ns, to_ns, label, stream, withdrawn FROM label_requests ORDER BY number"
    )
    return [LabelRequest(Annotation(*row), bool(withdrawn)) for *row, withdrawn in rows]


def put_request(connection: sqlite3.Connection, one: LabelRequest) -> None:
    """Let a request wait."""
    a = one.annotation
    with transaction(connection):
        connection.execute(
            "INSERT INTO label_requests (stream, id, from_ns, to_ns, label, withdrawn)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (a.stream, a.id, a.from_ns, a.to_ns, a.label, one.is_withdrawn),
        )


class LabelledTask(NamedTuple):
    """The task of a box, and the short name for how the windows are cut that it predicts."""

    task: Task
    cut: str


def keeps_no_windows(connection: sqlite3.Connection) -> bool:
    """Whether the box whose store this is has what is made of readings in memory alone."""
    return _has_task(connection) and labelled_task(connection) is None


def labelled_task(connection: sqlite3.Connection) -> LabelledTask | None:
    """That of the box whose store this is; None: none has run, or it keeps no windows."""
    if not _has_task(connection):
        return None
    row = connection.execute("SELECT task, cut FROM labelled_task").fetchone()
    return LabelledTask(Task.from_fields(json.loads(row[0])), row[1]) if row else None


def _has_task(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_schema WHERE name = 'labelled_task'"
    return connection.execute(known).fetchone() is not None
