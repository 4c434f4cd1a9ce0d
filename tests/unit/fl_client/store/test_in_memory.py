"""A store that keeps nothing of readings on the disk."""

from pathlib import Path

import numpy as np
import pytest

from fl_client.store.in_memory import open_kept
from fl_client.store.unshaped import Unshaped
from fl_client.windows import Window
from fl_common.errors import InvalidConfiguration
from tests.support.windowing import T0, TASK


def test_windows_that_wait_for_a_shape_on_disk_are_named(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    connection = open_kept(path, in_memory=False)
    Unshaped(connection, TASK, "cut").put([Window(TASK.name, T0, np.zeros((8, 3), np.float32))])
    connection.close()
    with pytest.raises(InvalidConfiguration, match="store has unshaped of before"):
        open_kept(path, in_memory=True)
