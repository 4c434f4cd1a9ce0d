"""Edges of the assembler: what is refused, what is counted, what is let go."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Slicing, Source
from fl_client.windows.grid import Grid, windows_per_reading
from fl_client.windows.slide import Assembler
from fl_common.errors import InvalidConfiguration
from tests.support import windowing as toy


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([Source("acc", ("x", "y"), 50.0)], "channel turn: is measured by 0"),
        ([*toy.SOURCES, Source("other", ("x",), 50.0)], "channel x: is measured by 2"),
        ([*toy.SOURCES, Source("other", ("heat",), 50.0)], "channel heat"),
        ([toy.SOURCES[0], Source("gyro", ("turn",), 9.0)], "more often than the longest gap"),
    ],
)
def test_sensors_that_cannot_fill_the_task_are_refused(sources: list[Source], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        toy.assembler(sources)


def test_a_task_without_a_time_axis_is_refused() -> None:
    vectors = replace(toy.TASK, window_shape=(3,), rate_hz=None)
    with pytest.raises(InvalidConfiguration, match="toy"):
        Assembler(vectors, toy.UNDECLARED, toy.SLICING)


@pytest.mark.parametrize(
    "wrong", [{"step": 0}, {"longest_gap_s": 0.0}, {"lateness_s": -1.0}, {"ahead_s": 0.0}]
)
def test_values_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match=f"windows.{next(iter(wrong))}"):
        replace(toy.SLICING, **wrong)


def test_a_window_is_made_with_its_last_reading_and_not_before() -> None:
    made = toy.assembler()
    for reading in toy.regular(0.16):
        made.add(toy.of([reading]), toy.NOW)
        is_last = reading == ("acc", 7 * toy.PERIOD, reading[2])
        closed = made.closed()
        if closed:
            break
    assert [w.start_ns for w in closed] == [toy.T0]
    assert reading[1] == 7 * toy.PERIOD
    assert reading[0] == "gyro" or is_last


def test_a_window_with_a_hole_waits_until_what_fills_it_would_be_late() -> None:
    hole = (0.05, 0.09)
    stream = toy.regular(3, gap=hole)
    made, seen = toy.assembler(), []
    for reading in stream:
        made.add(toy.of([reading]), toy.NOW)
        if any(window.start_ns == toy.T0 for window in made.closed()):
            seen.append(reading[1] / SECOND)
    assert seen == [pytest.approx(0.14 + 0.1 + 1.0, abs=0.021)]


def test_stamps_of_the_future_and_of_before_1970_are_lost_and_harm_nothing() -> None:
    made = toy.assembler()
    wrong = np.array([np.iinfo(np.int64).min, -1, toy.NOW + 3601 * SECOND, np.iinfo(np.int64).max])
    taken = made.add([Readings("acc", "1", wrong, np.zeros((4, 2), np.float32))], toy.NOW)
    assert (taken.late_M.tolist(), taken.ahead_M.tolist()) == ([2], [2])
    assert made.watermark_ns is None
    made.add([Readings("acc", "0", np.array([0]), np.zeros((1, 2), np.float32))], toy.NOW)
    made.add(toy.of(toy.regular(1)), toy.NOW)
    assert len(made.closed()) == 11


def test_readings_of_a_sensor_that_the_task_has_not_are_counted() -> None:
    made = toy.assembler()
    odd = Readings("acc", "1", np.array([toy.T0]), np.zeros((1, 5), np.float32))
    foreign = replace(odd, sensor="gone")
    assert made.add([odd, foreign], toy.NOW).late_M.tolist() == [1, 1]


def test_a_channel_that_is_missing_for_longer_than_the_gap_takes_its_windows_away() -> None:
    made = toy.assembler()
    stream = toy.of(toy.regular(2))
    for reading in stream:
        if reading.sensor == "acc" and 0.5 <= (reading.times_N[0] - toy.T0) / SECOND < 0.8:
            reading.values_NC[:, 1] = np.nan
    made.add(stream, toy.NOW)
    starts = [(w.start_ns - toy.T0) / SECOND for w in made.closed() + made.finish()]
    assert [s for s in starts if 0.36 < s < 0.78] == []
    assert {0.32, 0.8} <= {round(s, 2) for s in starts}
    assert all(np.isfinite(s) for s in starts)


def test_memory_holds_the_last_readings_alone_over_silent_nights() -> None:
    made = toy.assembler()
    for night in range(3):
        shift = night * 43_200 * SECOND
        stream = [(sensor, t + shift, v) for sensor, t, v in toy.regular(20)]
        for low in range(0, len(stream), 50):
            made.add(toy.of(stream[low : low + 50]), toy.NOW + shift)
            made.closed()
            assert sum(len(p.track.times_N) for p in made._parts) < 150 * 1.5 + 150
    assert len(made._made) < 30


@pytest.mark.parametrize(
    ("length", "step", "gap_rows", "expected"),
    [(128, 64, 0.5, 2), (128, 64, 5.0, 3), (128, 69, 5.0, 2), (8, 8, 0.5, 1), (8, 4, 1.0, 3)],
)
def test_windows_that_a_reading_reaches_by_trying_each_place(
    length: int, step: int, gap_rows: float, expected: int
) -> None:
    task = replace(toy.TASK, window_shape=(length, 3))
    slicing = Slicing(step, gap_rows / 50, 1.0, 60.0)
    assert windows_per_reading(task, slicing) == expected
    gap = slicing.gap_ns
    offsets = np.arange(length) * toy.PERIOD
    most = 0
    for place in range(0, step * toy.PERIOD, toy.PERIOD // 4):
        starts = np.arange(-length // step - 9, length // step + 9) * step * toy.PERIOD
        distance = np.abs(starts[:, None] + offsets - place)
        most = max(most, int(((distance < gap) | (distance == 0)).any(axis=1).sum()))
    assert most == expected


@pytest.mark.parametrize("rate", [50.0, 52.3, 30.0, 1 / 3])
def test_the_grid_is_found_again_from_its_times(rate: float) -> None:
    grid = Grid(replace(toy.TASK, rate_hz=rate), toy.SLICING)
    for index in range(10**9, 10**9 + 50):
        start = grid.start_of(index)
        assert grid.index_at(start) == index
        assert grid.index_at(start - 1) == index - 1
