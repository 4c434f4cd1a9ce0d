"""Laws of windows: readings make them, and neither order, batches, repetition nor gaps do."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.windows import SECOND, Source
from tests.support import windowing as toy
from tests.support.windowing import Drawn

EXAMPLES = 40
wild = st.lists(
    st.tuples(
        st.sampled_from(["acc", "gyro"]),
        st.integers(0, 40).map(lambda tens: tens * SECOND // 100)
        | st.integers(0, SECOND * 9 // 10),
        st.sampled_from([0.0, 1.5, -2.25, float("nan")]),
    ),
    min_size=1,
    max_size=90,
)
"""Readings at any times within the lateness, on the grid or off it, some stamps twice."""


@st.composite
def streams(draw: st.DrawFn) -> list[Drawn]:
    """Both sensors at their rates with jitter, holes and a phase; within the lateness."""
    phase = draw(st.sampled_from([0, 0, 7_000_000]))
    jitter = draw(st.sampled_from([0, 0, 1_200_000]))
    lost = draw(st.sets(st.integers(0, 140), max_size=25))
    stream = [r for number, r in enumerate(toy.regular(0.9, phase)) if number not in lost]
    moves = draw(st.lists(st.integers(-jitter, jitter), min_size=len(stream), max_size=len(stream)))
    return [(sensor, max(t + by, 0), v) for (sensor, t, v), by in zip(stream, moves, strict=True)]


def batches(stream: list[Drawn], cuts: list[int]) -> list[list[Drawn]]:
    borders = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[low:high] for low, high in pairwise(borders)]


def in_any_batches(data: st.DataObject, stream: list[Drawn]) -> list[list[Drawn]]:
    return batches(stream, data.draw(st.lists(st.integers(0, 200), max_size=12)))


@settings(max_examples=EXAMPLES)
@given(stream=streams(), data=st.data())
def test_a_permuted_stream_in_any_batches_gives_the_same_windows(
    stream: list[Drawn], data: st.DataObject
) -> None:
    expected = toy.cut(toy.assembler(), [toy.of(stream)])
    permuted = data.draw(st.permutations(stream))
    parts = in_any_batches(data, permuted)
    assert toy.cut(toy.assembler(), map(toy.of, parts)) == expected


@settings(max_examples=EXAMPLES)
@given(stream=wild, data=st.data())
def test_without_a_declared_rate_that_holds_for_any_stamps(
    stream: list[Drawn], data: st.DataObject
) -> None:
    made = toy.assembler(toy.UNDECLARED)
    expected = toy.cut(made, [toy.of(stream)])
    assert all(start % (4 * toy.PERIOD) == 0 for start, _ in expected)
    permuted = data.draw(st.permutations([*stream, stream[0]]))
    parts = in_any_batches(data, permuted)
    again, windows = toy.assembler(toy.UNDECLARED), []
    for part in parts:  # a repeated reading of a window that is made already may count as late
        again.add(toy.of(part), toy.NOW)
        windows += again.closed()
    assert toy.contents(windows + again.finish()) == expected


@settings(max_examples=EXAMPLES)
@given(stream=streams(), data=st.data())
def test_repeated_messages_have_one_effect(stream: list[Drawn], data: st.DataObject) -> None:
    expected = toy.cut(toy.assembler(), [toy.of(stream)])
    made, windows = toy.assembler(), []
    for part in in_any_batches(data, stream):
        for _ in range(2):
            made.add(toy.of(part), toy.NOW)
            windows += made.closed()
    assert toy.contents(windows + made.finish()) == expected


@settings(max_examples=EXAMPLES)
@given(begin=st.floats(0.1, 1.5), length=st.floats(0.0, 1.5), phase=st.sampled_from([0, 3_300_000]))
def test_a_gap_takes_windows_away_and_shifts_none(begin: float, length: float, phase: int) -> None:
    whole = toy.cut(toy.assembler(), [toy.of(toy.regular(4, phase))])
    stream = toy.regular(4, phase, gap=(begin, begin + length))
    left = toy.cut(toy.assembler(), map(toy.of, batches(stream, list(range(0, 600, 37)))))
    starts = {start for start, _ in left}
    assert starts <= {start for start, _ in whole}
    low, high = begin * SECOND - 2 * toy.PERIOD, (begin + length) * SECOND + 2 * toy.PERIOD
    for start, values in whole:
        if start + 8 * toy.PERIOD < toy.T0 + low or start > toy.T0 + high:
            assert (start, values) in left
    if length > toy.SLICING.longest_gap_s:
        rows = {start + row * toy.PERIOD - toy.T0 for start in starts for row in range(8)}
        assert not [row for row in rows if begin * SECOND < row < (begin + length) * SECOND - 1]


@settings(max_examples=EXAMPLES)
@given(
    stream=st.lists(
        st.tuples(st.sampled_from(["acc", "gyro"]), st.integers(0, 8 * SECOND), st.just(1.0)),
        min_size=1,
        max_size=80,
    ),
    data=st.data(),
)
def test_every_reading_is_used_or_counted_whenever_one_looks(
    stream: list[Drawn], data: st.DataObject
) -> None:
    once, late = toy.assembler(toy.UNDECLARED), []
    newest = {"acc": -toy.T0, "gyro": -toy.T0}
    for sensor, behind, _ in stream:
        late.append(int(behind < min(newest.values()) - SECOND))
        newest[sensor] = newest[sensor] if late[-1] else max(newest[sensor], behind)
    assert once.add(toy.of(stream), toy.NOW).late_M.tolist() == late
    windows = once.closed() + once.finish()
    often, found, counted = toy.assembler(toy.UNDECLARED), [], list[int]()
    for part in in_any_batches(data, stream):
        counted += often.add(toy.of(part), toy.NOW).late_M.tolist()
        found += often.closed()
    assert counted == late
    assert toy.contents(found + often.finish()) == toy.contents(windows)


@settings(max_examples=EXAMPLES)
@given(fast=st.sampled_from(["acc", "gyro"]), by_s=st.floats(0, 20), data=st.data())
def test_a_sensor_with_a_fast_clock_makes_none_of_anothers_readings_late(
    fast: str, by_s: float, data: st.DataObject
) -> None:
    by_ns = round(by_s * SECOND)
    stream = [(sensor, t + by_ns * (sensor == fast), v) for sensor, t, v in toy.regular(25)]
    some = stream[: data.draw(st.integers(2600, len(stream)))]
    slicing = replace(toy.SLICING, ahead_s=30.0)
    expected = toy.cut(toy.assembler(slicing=slicing), [toy.of(sorted(some, key=at))])
    parts = batches(some, list(range(0, 4000, data.draw(st.integers(50, 900)))))
    assert toy.cut(toy.assembler(slicing=slicing), map(toy.of, parts)) == expected
    assert len(expected) > (17 - by_s) * 50 / 4 - 2


def at(reading: Drawn) -> int:
    return reading[1]


@settings(max_examples=EXAMPLES)
@given(stream=streams(), crash=st.integers(0, 150))
def test_an_assembler_made_again_from_the_readings_it_needs_goes_on_alike(
    stream: list[Drawn], crash: int
) -> None:
    """What a killed process does: readings before ``needed_from_ns`` are gone from the spool."""
    expected = toy.cut(toy.assembler(), [toy.of(stream)])
    before, after = stream[:crash], stream[crash:]
    first = toy.assembler()
    first.add(toy.of(before), toy.NOW)
    stored = first.closed()
    kept = [r for r in before if toy.T0 + r[1] >= first.needed_from_ns]
    second = toy.assembler()
    second.add(toy.of(kept + after), toy.NOW)
    known = {window.start_ns for window in stored}
    fresh = [window for window in second.finish() if window.start_ns not in known]
    assert toy.contents(stored + fresh) == expected


@settings(max_examples=30)
@given(rate=st.sampled_from([20.0, 50.0, 62.5, 100.0, 52.3]), phase=st.integers(0, 19_999_999))
def test_a_straight_line_stays_one_at_any_rate_and_phase(rate: float, phase: int) -> None:
    behind = [phase + round(i * SECOND / rate) for i in range(round(0.9 * rate))]
    sources = [Source("acc", ("x", "y"), rate), Source("gyro", ("turn",), rate)]
    lines = [b / SECOND for b in behind]
    made = toy.assembler(sources)
    made.add([toy.message("acc", behind, lines), toy.message("gyro", behind, lines)], toy.NOW)
    windows = made.closed()
    assert len(windows) >= 7
    for window in windows:
        seconds_T = (window.start_ns - toy.T0) / SECOND + np.arange(8) / 50
        assert window.values_TC[:, 0] == pytest.approx(seconds_T, abs=1e-6)
        assert window.values_TC[:, 2] == pytest.approx(seconds_T, abs=1e-6)
