"""The last time that was believed, over restarts."""

from contextlib import closing
from pathlib import Path

import numpy as np

from fl_client.store.database import open_store
from fl_client.store.known_time import KnownTime
from fl_client.store.windows import WindowStore
from fl_client.windows import SECOND, Window
from tests.support import windowing as toy


def test_the_time_is_kept_over_a_restart_and_may_go_back(tmp_path: Path) -> None:
    for kept in (5, 3):
        with closing(open_store(tmp_path / "site.sqlite")) as connection:
            KnownTime(connection).keep(kept)
        with closing(open_store(tmp_path / "site.sqlite")) as connection:
            assert KnownTime(connection).read() == kept


def test_where_none_was_kept_the_newest_window_tells_it(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        assert KnownTime(connection).read() is None
        store = WindowStore(connection, toy.TASK, toy.SLICING, 1.0)
        assert KnownTime(connection).read() is None
        values = np.zeros(toy.TASK.window_shape, np.float32)
        store.add([Window(toy.TASK.name, toy.T0 + n * SECOND, values) for n in (2, 1)])
        assert KnownTime(connection).read() == toy.T0 + 2 * SECOND
