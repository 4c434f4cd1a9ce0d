"""Intervals that a person has left out: no window that touches one is read for training."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.sensors import Annotation
from fl_client.store.database import open_store
from fl_client.store.left_out import LeftOut, leave_out, left_out_in, take_in
from fl_client.store.window_reading import read_all, read_labelled
from fl_client.store.windows import Retention, WindowStore
from fl_client.windows import Window
from fl_client.windows.grid import Grid
from fl_common.vocabulary import Task
from models.kinds.forecast import forecast
from tests.support.windowing import PERIOD, SLICING, T0, TASK

WINDOWS = 12
FORECAST = replace(TASK, kind=forecast(3), labels=())
STEP = SLICING.step


def stored(path: Path, task: Task = TASK) -> list[int]:
    """The starts of windows of two streams, all labelled, in the store at ``path``."""
    grid = Grid(task, SLICING)
    first = grid.index_at(T0) + 1
    starts = [grid.start_of(first + k) for k in range(WINDOWS)]
    with closing(open_store(path)) as connection:
        store = WindowStore(connection, task, SLICING, 0.5)
        for stream in ("a", "b"):
            store.add([
                Window(task.name, start, np.full(task.window_shape, k, np.float32), stream)
                for k, start in enumerate(starts)
            ])  # fmt: skip
            store.annotate([Annotation("1", starts[0], starts[-1] + 8 * PERIOD, "still", stream)])
    return starts


def put(path: Path, *spans: tuple[int, int], stream: str = "a") -> None:
    with closing(open_store(path)) as connection:
        for number, (start, end) in enumerate(spans):
            leave_out(connection, LeftOut(stream, str(number), start, end))


span = st.tuples(st.integers(-4, 60), st.integers(1, 12))


@given(spans=st.lists(span, max_size=3), shift=st.integers(-1, 1))
def test_what_is_left_is_what_shares_no_reading_with_an_interval(
    spans: list[tuple[int, int]], shift: int
) -> None:
    with TemporaryDirectory() as folder:
        starts = stored(path := Path(folder, "site.sqlite"))
        out = [(s := starts[0] + a * PERIOD + shift, s + n * PERIOD) for a, n in spans]
        put(path, *out)
        kept = read_all(path, TASK, SLICING)
    wanted = {
        start
        for start in starts
        if not any(s <= start + row * PERIOD < e for s, e in out for row in range(8))
    }
    found: dict[str, set[int]] = {stream: set() for stream in "ab"}
    for start, stream in zip(kept.starts_N.tolist(), kept.streams, strict=True):
        found[stream].add(start)
    assert found == {"a": wanted, "b": set(starts)}


def test_a_forecast_is_of_no_reading_in_an_interval(tmp_path: Path) -> None:
    starts = stored(path := tmp_path / "site.sqlite", FORECAST)
    before = set(read_labelled(path, FORECAST, SLICING).starts_N.tolist())
    gone = starts[0] + 30 * PERIOD
    put(path, (gone, gone + PERIOD))
    after = read_labelled(path, FORECAST, SLICING).starts_N.tolist()
    wanted = {s for s in before if not s <= gone <= s + (7 + 3) * PERIOD}
    assert len(wanted) < len(before)
    assert sorted([*wanted, *before]) == sorted(after), "the other stream has all"


def test_one_that_is_taken_in_again_is_used(tmp_path: Path) -> None:
    starts = stored(path := tmp_path / "site.sqlite")
    put(path, (starts[0], starts[-1] + 1))
    assert set(read_labelled(path, TASK, SLICING).starts_N.tolist()) == set(starts)
    assert len(read_all(path, TASK, SLICING).starts_N) == WINDOWS
    with closing(open_store(path)) as connection:
        take_in(connection, "a", "0")
        assert left_out_in(connection) == []
    assert len(read_all(path, TASK, SLICING).starts_N) == 2 * WINDOWS


def test_it_is_forgotten_with_its_windows(tmp_path: Path) -> None:
    starts = stored(path := tmp_path / "site.sqlite")
    put(path, (starts[0], starts[2]), (starts[-1], starts[-1] + PERIOD))
    with closing(open_store(path)) as connection:
        store = WindowStore(connection, TASK, SLICING, 0.5)
        store.retain(Retention(1.0, 100.0), starts[3] + 86_400 * 10**9)
        assert [one.id for one in left_out_in(connection)] == ["1"]


@pytest.mark.parametrize("task", [TASK, FORECAST])
def test_a_store_of_an_earlier_version_is_read(tmp_path: Path, task: Task) -> None:
    stored(path := tmp_path / "site.sqlite", task)
    with closing(open_store(path)) as connection:
        connection.execute("DROP TABLE left_out")
        assert left_out_in(connection) == []
    assert len(read_all(path, task, SLICING).starts_N) == 2 * WINDOWS
