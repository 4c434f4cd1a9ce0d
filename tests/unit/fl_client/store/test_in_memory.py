"""A store that keeps nothing of readings on the disk."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fl_client.sensors import Annotation
from fl_client.store.database import reading
from fl_client.store.in_memory import open_kept
from fl_client.store.label_requests import LabelRequests, labelled_task
from fl_client.store.left_out import LeftOut, leave_out
from fl_client.store.unshaped import Unshaped
from fl_client.store.windows import WindowStore
from fl_client.windows import Window
from fl_common.errors import InvalidConfiguration
from tests.support.windowing import SLICING, T0, TASK


def test_labels_are_in_memory_as_the_windows_are(tmp_path: Path) -> None:
    """Labels tell what was seen or heard, and when."""
    with closing(open_kept(tmp_path / "site.sqlite", in_memory=True)) as connection:
        windows = WindowStore(connection, TASK, SLICING, 0.7)
        windows.annotate([Annotation("1", T0, T0 + 10**9, TASK.labels[0])])
        LabelRequests(connection, TASK, windows.cut)
        assert connection.execute("SELECT count(*) FROM annotations").fetchone() == (1,)
    with reading(tmp_path / "site.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM annotations").fetchone() == (0,)
        assert labelled_task(connection) is None


@pytest.mark.parametrize("table", ["annotations", "annotations_withdrawn", "left_out"])
def test_intervals_on_disk_are_named(tmp_path: Path, table: str) -> None:
    path = tmp_path / "site.sqlite"
    with closing(open_kept(path, in_memory=False)) as connection:
        windows = WindowStore(connection, TASK, SLICING, 0.7)
        if table == "left_out":
            leave_out(connection, LeftOut("", "1", T0, T0 + 10**9))
        else:
            windows.annotate([Annotation("1", T0, T0 + 10**9, TASK.labels[0])])
        if table == "annotations_withdrawn":
            windows.withdraw("", "1")
    with pytest.raises(InvalidConfiguration, match=f"store has {table} of before"):
        open_kept(path, in_memory=True)


def test_windows_that_wait_for_a_shape_on_disk_are_named(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    connection = open_kept(path, in_memory=False)
    Unshaped(connection, TASK, "cut").put([Window(TASK.name, T0, np.zeros((8, 3), np.float32))])
    connection.close()
    with pytest.raises(InvalidConfiguration, match="store has unshaped of before"):
        open_kept(path, in_memory=True)
