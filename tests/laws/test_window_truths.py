"""Laws of what windows stand for: the readings after them, as a longer window would have them."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.store.database import open_store
from fl_client.store.window_reading import read_labelled
from fl_client.store.windows import WindowStore
from fl_client.windows import SECOND, Slicing, Window
from fl_client.windows.grid import windows_per_reading
from fl_client.windows.slide import Assembler
from fl_client.windows.split import DAY_NS, HeldOut, Labelled, split_of
from fl_client.windows.truths import truths_of
from fl_client.windows.truths.kept import Kept
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec, Task
from models.kinds.forecast import divided
from tests.support import windowing as toy
from tests.support.windowing import Drawn

gaps = st.tuples(st.floats(0.0, 2.0), st.sampled_from([0.0, 0.05, 0.3]))


def task_of(horizon: int) -> Task:
    return replace(toy.TASK, labels=(), kind=KindSpec.of("forecast", horizon=horizon))


def cut(task: Task, slicing: Slicing, readings: Sequence[Drawn]) -> list[Window]:
    made = Assembler(task, toy.SOURCES, slicing)
    made.add(toy.of(readings), toy.NOW)
    return [*made.closed(), *made.finish()]


def known_of(task: Task, slicing: Slicing, windows: Sequence[Window]) -> Labelled:
    """What a box's store makes of windows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        with closing(open_store(path)) as connection:
            WindowStore(connection, task, slicing, 0.9).add(windows)
        return read_labelled(path, task, slicing)


def examples(known: Labelled) -> set[bytes]:
    pairs = zip(known.values_NTC, known.labels_N, strict=True)
    return {values.tobytes() + label.tobytes() for values, label in pairs}


@settings(max_examples=30, deadline=None)
@given(horizon=st.integers(1, 20), step=st.integers(1, 8), gap=gaps)
def test_what_follows_a_window_is_what_a_longer_one_ends_with(
    horizon: int, step: int, gap: tuple[float, float]
) -> None:
    task, slicing = task_of(horizon), replace(toy.SLICING, step=step)
    readings = toy.regular(3, gap=(gap[0], gap[0] + gap[1]))
    windows = cut(task, slicing, readings)
    known = known_of(task, slicing, windows)
    longer = replace(toy.TASK, window_shape=(8 + horizon, 3))
    whole = {window.start_ns: window.values_TC for window in cut(longer, slicing, readings)}
    starts, later = {window.start_ns for window in windows}, -(-horizon // step)
    followed = {
        start
        for start in starts
        if all(start + k * step * toy.PERIOD in starts for k in range(1, later + 1))
    }
    assert followed <= {*known.starts_N.tolist()} <= {*whole}
    assert len(followed) > 80 // step or gap[1] > toy.SLICING.longest_gap_s
    if len(known.starts_N):
        values_NLC = np.stack([whole[start] for start in known.starts_N.tolist()])
        values_NTC, labels_N = divided(values_NLC, horizon)
        assert np.array_equal(known.values_NTC, values_NTC)
        assert np.array_equal(known.labels_N, labels_N)


@settings(max_examples=30, deadline=None)
@given(horizon=st.integers(1, 20), step=st.integers(1, 8), changed=st.integers(100, 200))
def test_one_reading_is_in_no_more_examples_than_the_plan_must_count(
    horizon: int, step: int, changed: int
) -> None:
    task, slicing = task_of(horizon), replace(toy.SLICING, step=step)
    readings = toy.regular(3)
    sensor, behind, value = readings[changed]
    other = [*readings[:changed], (sensor, behind, value + 1), *readings[changed + 1 :]]
    one, two = (examples(known_of(task, slicing, cut(task, slicing, r))) for r in (readings, other))
    assert len(one - two) == len(two - one) <= windows_per_reading(task, slicing)
    assert windows_per_reading(task, slicing) > windows_per_reading(toy.TASK, slicing) or (
        horizon < 2 * step
    )


def test_streams_do_not_continue_each_other() -> None:
    task = task_of(4)
    values_NTC = np.zeros((3, 8, 3), np.float32)
    starts_N = toy.T0 + np.array([0, 4, 8]) * toy.PERIOD
    truths = truths_of(task, toy.SLICING)
    same, apart = (
        truths.known(Kept(starts_N, values_NTC, streams, (None,) * 3)).starts_N.tolist()
        for streams in (("a", "a", "a"), ("a", "b", "a"))
    )
    assert (same, apart) == (starts_N[:2].tolist(), [])
    none = Kept(starts_N[:0], values_NTC[:0], (), ())
    assert truths.known(none).labels_N.shape == (0, 3, 6)


def test_neither_a_piece_nor_a_day_ends_between_a_window_and_what_follows_it() -> None:
    task = task_of(4)
    split = split_of(task, toy.SLICING, HeldOut(60.0, 5))
    starts_N = np.arange(0, DAY_NS // 100, 4 * toy.PERIOD)
    values_NTC = np.zeros((len(starts_N), 8, 3), np.float32)
    training = split.training(Labelled(starts_N, values_NTC, starts_N))
    gap, reach = toy.SLICING.gap_ns, 11 * toy.PERIOD
    for border in (4 * 60 * SECOND, 9 * 60 * SECOND):
        near_N = (training.labels > border - 2 * SECOND) & (training.labels < border + 2 * SECOND)
        assert training.labels[near_N].max() + reach + gap < border


def test_steps_that_leave_readings_out_are_refused_where_a_box_trains() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^windows\.step=9 of windows of 8 readings"):
        split_of(task_of(1), replace(toy.SLICING, step=9), HeldOut(60.0, 5))
    split_of(toy.TASK, replace(toy.SLICING, step=9), HeldOut(60.0, 5))
