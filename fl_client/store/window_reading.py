"""Reading the windows of one task from a site's store, as the training process does."""

from pathlib import Path

import numpy as np

from fl_client.store.database import reading
from fl_client.store.left_out import used
from fl_client.store.windows import cut_of
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.split import Labelled
from fl_client.windows.truths import truths_of
from fl_client.windows.truths.kept import Kept
from fl_common.vocabulary import Task
from models.kinds import kind_of


def read_labelled(path: Path, task: Task, slicing: Slicing) -> Labelled:
    """Those of ``read_all`` of which it is known what they stand for.

    Raises:
        StoreError: as there.
    """
    told = "AND label IS NOT NULL" if kind_of(task).truth.needs_people else ""
    return truths_of(task, slicing).known(_read(path, task, slicing, told))


def read_all(path: Path, task: Task, slicing: Slicing) -> Kept:
    """The windows of all streams in the store at ``path``, as a snapshot; nothing is written.

    Those that a person has left out are not among them.

    Any process may read while the sensing process writes; neither waits for the other.

    Raises:
        StoreError: there is no such file, or it can't be read.
    """
    return _read(path, task, slicing, "")


def _read(path: Path, task: Task, slicing: Slicing, which: str) -> Kept:
    """The windows that meet ``which``, an SQL condition; also from a store of an earlier schema."""
    with reading(path) as connection:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(windows)")}
        stream = "windows.stream" if "stream" in columns else "''"
        which += f" AND {used(connection, stream, Grid(task, slicing).span_ns)}"
        rows = connection.execute(
            f"SELECT start_ns, content, {stream}, label FROM windows"
            f" JOIN window_values USING (id) WHERE cut = ? {which} ORDER BY start_ns, id",
            (cut_of(task, slicing),),
        ).fetchall()
    starts, contents, streams, told = zip(*rows, strict=True) if rows else ((),) * 4
    values_N = np.frombuffer(b"".join(contents), "<f4")
    return Kept(
        np.array(starts, np.int64),
        values_N.reshape(len(rows), *task.window_shape),
        tuple(streams),
        tuple(told),
    )
