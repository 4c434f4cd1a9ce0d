"""The store of windows: one effect each, read while written, kept within age and size."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.sensors import Annotation
from fl_client.store.agreement import Agreement
from fl_client.store.database import open_store, transaction
from fl_client.store.window_reading import read_labelled
from fl_client.store.windows import Mark, Retention, WindowCounts, WindowStore
from fl_client.windows import SECOND, Window
from fl_common.errors import InvalidConfiguration, StoreError
from tests.support import windowing as toy

STEP = 4 * toy.PERIOD
DAY = 86_400 * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.sqlite"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(path)) as opened:
        yield opened


@pytest.fixture
def store(connection: sqlite3.Connection) -> WindowStore:
    return WindowStore(connection, toy.TASK, toy.SLICING, 0.75)


def windows(count: int, first: int = 0, value: float = 0.5) -> list[Window]:
    filled = np.full((8, 3), value, np.float32)
    return [Window("toy", toy.T0 + (first + k) * STEP, filled) for k in range(count)]


def label(first: int, last: int, name: str = "moving") -> Annotation:
    """An interval over windows ``first`` to ``last``, to the end of that one."""
    return Annotation(
        f"{first}-{last}", toy.T0 + first * STEP, toy.T0 + last * STEP + 8 * toy.PERIOD, name
    )


def test_a_window_added_again_has_no_effect(store: WindowStore) -> None:
    assert len(store.add(windows(3))) == 3
    assert [window.start_ns for window in store.add(windows(4, value=9.0))] == [toy.T0 + 3 * STEP]
    waiting = store.unpredicted(10)
    assert [float(window.values_TC[0, 0]) for window in waiting] == [0.5, 0.5, 0.5, 9.0]


def test_values_come_back_bit_by_bit(store: WindowStore) -> None:
    values_TC = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    store.add([Window("toy", toy.T0, values_TC)])
    (window,) = store.unpredicted(1)
    assert window.values_TC.tobytes() == values_TC.tobytes()


def test_windows_wait_for_a_prediction_oldest_first(store: WindowStore) -> None:
    store.add(windows(5)[::-1])
    assert [w.start_ns for w in store.unpredicted(2, (toy.T0, ""))] == [
        toy.T0 + STEP,
        toy.T0 + 2 * STEP,
    ]
    store.annotate([label(0, 0)])
    store.predicted([Mark("", toy.T0 + k * STEP, label) for k, label in enumerate((1, -1, 2))])
    assert [w.start_ns for w in store.unpredicted(9)] == [toy.T0 + k * STEP for k in (3, 4)]
    measures = {"accuracy": 1.0, "balanced_accuracy": 1.0, "macro_f1": 1.0}
    assert store.counts() == WindowCounts(5, 1, 2, Agreement(1, 1, measures))
    store.annotate([label(1, 2)])
    assert store.counts().agreement.judged == 2, "one of them has no answer"
    assert store.counts().agreement.measures["balanced_accuracy"] == 0.5


def test_windows_of_two_streams_that_start_together_are_two(store: WindowStore) -> None:
    both = [replace(window, stream=name) for window in windows(2) for name in ("b", "a")]
    assert len(store.add(both)) == 4
    found, after = [], None
    for _ in both:
        (window,) = store.unpredicted(1, after)
        found.append(after := window.place)
    assert found == [(toy.T0 + k * STEP, name) for k in (0, 1) for name in ("a", "b")]
    assert store.unpredicted(1, after) == []
    store.predicted([Mark("a", toy.T0, 1)])
    store.annotate([replace(label(0, 9), stream="b")])
    store.annotate([replace(label(0, 0), stream="c")])
    assert store.counts() == WindowCounts(4, 2, 3)


def test_a_label_that_the_task_lacks_is_counted_and_labels_nothing(store: WindowStore) -> None:
    store.add(windows(2))
    assert store.annotate([label(0, 1, "asleep"), label(0, 1)]) == {"unknown": 1}
    assert store.counts().labelled == 0


def test_intervals_that_contradict_each_other_take_a_label_away(store: WindowStore) -> None:
    store.add(windows(2))
    store.annotate([label(0, 1)])
    assert store.counts().labelled == 2
    store.annotate([label(1, 9, "still")])
    assert store.counts().labelled == 1


def test_old_windows_and_annotations_go(store: WindowStore, path: Path) -> None:
    store.add(windows(6))
    store.annotate([label(0, 9)])
    keep = Retention(days=1.0, megabytes=100.0)
    assert store.retain(keep, toy.T0 + DAY + 2 * STEP) == 2
    assert store.retain(keep, toy.T0 + DAY + 2 * STEP) == 0
    assert read_labelled(path, toy.TASK, toy.SLICING).starts_N[0] == toy.T0 + 2 * STEP
    assert store.retain(keep, toy.T0 + 2 * DAY) == 4
    store.add(windows(1))
    assert store.counts().labelled == 0


def test_over_the_size_labelled_windows_go_last(
    store: WindowStore, connection: sqlite3.Connection
) -> None:
    other = replace(toy.SLICING, step=2)
    WindowStore(connection, toy.TASK, other, 0.75).add(windows(2))
    store.add(windows(6))
    store.annotate([label(0, 1)])
    megabytes = {count: count * 8 * 3 * 4 / 2**20 for count in (5, 3, 1)}
    removed = [store.retain(Retention(1.0, megabytes[c]), toy.T0) for c in (5, 3, 1)]
    assert removed == [3, 2, 2]
    (left,) = store.unpredicted(9)
    assert left.start_ns == toy.T0 + STEP  # the newer one of those with a label
    assert connection.execute("SELECT count(*) FROM window_values").fetchone() == (1,)


def test_windows_of_another_definition_are_not_trained_on(store: WindowStore, path: Path) -> None:
    store.annotate([label(0, 9)])
    store.add(windows(3))
    for task, slicing in (
        (replace(toy.TASK, labels=("moving", "still", "falling")), toy.SLICING),
        (toy.TASK, replace(toy.SLICING, step=5)),
    ):
        assert len(read_labelled(path, task, slicing).starts_N) == 0
    assert len(read_labelled(path, toy.TASK, toy.SLICING).starts_N) == 3


def test_reading_neither_waits_for_a_writer_nor_sees_half_of_what_it_writes(
    store: WindowStore, connection: sqlite3.Connection, path: Path
) -> None:
    store.annotate([label(0, 9)])
    store.add(windows(2))
    with transaction(connection):
        store.add(windows(2, first=2))
        assert len(read_labelled(path, toy.TASK, toy.SLICING).starts_N) == 2
    assert len(read_labelled(path, toy.TASK, toy.SLICING).starts_N) == 4


def test_a_write_that_is_undone_leaves_nothing(
    store: WindowStore, connection: sqlite3.Connection
) -> None:
    def interrupted() -> None:
        with transaction(connection):
            store.add(windows(2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.counts().kept == 0


def test_a_missing_store_is_an_error_and_not_made(path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        read_labelled(path, toy.TASK, toy.SLICING)
    assert not path.exists()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(connection: sqlite3.Connection, share: float) -> None:
    with pytest.raises(InvalidConfiguration, match=r"label_share=.*\(0, 1\]"):
        WindowStore(connection, toy.TASK, toy.SLICING, share)
