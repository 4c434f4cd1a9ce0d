"""Channels of which the last value holds: steps and no ramps, as long as they may be."""

import numpy as np
import pytest

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Slicing, Source, Window, sliced_for
from fl_client.windows.grid import windows_per_reading
from fl_client.windows.slide import Assembler
from fl_common.errors import InvalidConfiguration
from tests.support import windowing as toy

AGE_S = 5.0
DOOR = Source("gyro", ("turn",), None, None, (AGE_S,))
SOURCES = (toy.SOURCES[0], DOOR)
SLICING = Slicing(step=4, longest_gap_s=0.1, lateness_s=1.0, ahead_s=60.0)
TURN = 2


def sampled(seconds: float, begin: float = 0.0) -> list[Readings]:
    """The other sensor's readings."""
    first, last = round(begin * 50), round(seconds * 50)
    return toy.of(("acc", row * toy.PERIOD, 1.0) for row in range(first, last))


def door(at_s: float, value: float) -> Readings:
    return toy.message("gyro", [round(at_s * SECOND)], [value])


def cut(messages: list[Readings], sources: tuple[Source, ...] = SOURCES) -> list[Window]:
    """The windows, when the messages come one by one in order of time."""
    made = Assembler(toy.TASK, sources, SLICING)
    found = []
    for one in sorted(messages, key=lambda message: int(message.times_N[0])):
        assert made.add([one], toy.NOW).late_M.tolist() == [0]
        found += made.closed()
    return found + made.finish()


def turns(windows: list[Window]) -> dict[float, float]:
    """The held channel by seconds, as the windows have it."""
    return {
        round((w.start_ns - toy.T0 + row * toy.PERIOD) / SECOND, 2): float(w.values_TC[row, TURN])
        for w in windows
        for row in range(8)
    }


def test_a_value_holds_until_the_next_one_and_is_no_ramp() -> None:
    found = turns(cut([*sampled(4), door(0, 0.0), door(3.01, 1.0)]))
    assert {value for second, value in found.items() if second < 3.01} == {0.0}
    assert {value for second, value in found.items() if second > 3.01} == {1.0}
    assert len(found) > 180


def test_a_change_back_and_forth_within_a_period_leaves_the_last_one() -> None:
    found = turns(cut([*sampled(4), door(0, 0.0), door(1.001, 1.0), door(1.002, 2.0)]))
    assert (found[1.0], found[1.02]) == (0.0, 2.0)


def test_a_value_holds_for_its_longest_age_and_no_longer() -> None:
    found = turns(cut([*sampled(9), door(1, 7.0)]))
    assert min(found) >= 1.0
    assert max(found) == pytest.approx(6.0, abs=0.081)
    assert max(found) <= 6.0


def test_a_silent_sensor_holds_up_no_window() -> None:
    made = Assembler(toy.TASK, SOURCES, SLICING)
    made.add([door(0, 0.0), *sampled(3)], toy.NOW)
    starts = [(w.start_ns - toy.T0) / SECOND for w in made.closed()]
    assert max(starts) == pytest.approx(3 - 0.14 - 0.1 - 1.0, abs=0.1)


def test_a_box_with_nothing_but_sensors_on_change_goes_by_their_newest() -> None:
    both = (Source("acc", ("x", "y"), None, None, (AGE_S, AGE_S)), DOOR)
    events = [toy.message("acc", [0], [1.0]), door(0, 0.0), door(4.0, 1.0), door(8.0, 0.0)]
    found = turns(cut(events, both))
    assert found[3.0] == 0.0
    assert found[4.6] == 1.0
    assert max(found) <= AGE_S, "the other sensor's value is too old then"


def test_a_channel_that_holds_beside_one_that_is_interpolated_in_one_message() -> None:
    mixed = (Source("acc", ("x", "y"), 50.0, None, (None, AGE_S)), toy.SOURCES[1])
    stream = toy.of(toy.regular(3))
    for message in stream:
        if message.sensor == "acc" and message.times_N[0] % SECOND:
            message.values_NC[:, 1] = np.nan
    made = Assembler(toy.TASK, mixed, SLICING)
    made.add(stream, toy.NOW)
    windows = made.closed() + made.finish()
    assert len(windows) > 25
    plain = {w.start_ns: w.values_TC for w in cut(toy.of(toy.regular(3)), toy.SOURCES)}
    for window in windows:
        assert (window.values_TC[:, [0, TURN]] == plain[window.start_ns][:, [0, TURN]]).all()
        assert len({*window.values_TC[:, 1].tolist()}) <= 2


def test_with_a_declared_rate_a_staircase_is_made_at_once() -> None:
    stairs = (toy.SOURCES[0], Source("gyro", ("turn",), 50.0, None, (AGE_S,)))
    made = Assembler(toy.TASK, stairs, SLICING)
    made.add([*sampled(1), *(door(0.001 + n / 50, float(n)) for n in range(-1, 51))], toy.NOW)
    (first, *_) = windows = made.closed()
    assert first.values_TC[:, TURN].tolist() == [float(n - 1) for n in range(8)]
    assert len(windows) == 11


@pytest.mark.parametrize("crash", [0.5, 2.0, 3.3, 5.9])
def test_a_box_that_starts_again_knows_what_still_holds(crash: float) -> None:
    messages = [*sampled(8), door(0, 0.0), door(0.4, 3.0), door(3.2, 1.0)]
    messages.sort(key=lambda message: int(message.times_N[0]))
    expected = toy.contents(cut(messages))
    before = [m for m in messages if m.times_N[0] < toy.T0 + crash * SECOND]
    first = Assembler(toy.TASK, SOURCES, SLICING)
    first.add(before, toy.NOW)
    stored = first.closed()
    second = Assembler(toy.TASK, SOURCES, SLICING, held=first.held_before())
    waiting = [m for m in before if m.times_N[0] >= first.needed_from_ns]
    second.add([*waiting, *messages[len(before) :]], toy.NOW)
    known = {window.start_ns for window in stored}
    fresh = [w for w in second.closed() + second.finish() if w.start_ns not in known]
    assert toy.contents(stored + fresh) == expected


def test_memory_holds_the_last_change_alone() -> None:
    made = Assembler(toy.TASK, SOURCES, SLICING)
    made.add([door(0, 1.0)], toy.NOW)
    for second in range(0, 60, 2):
        made.add([*sampled(second + 2, second), door(second + 1, float(second))], toy.NOW)
        made.closed()
        assert [len(part.track.times_N) for part in made._parts][1] <= 4
    ((sensor, channel, time_ns, value),) = [
        (h.sensor, h.channel, h.time_ns, h.value) for h in made.held_before()
    ]
    assert (sensor, channel, value) == ("gyro", "turn", 56.0)
    assert time_ns == toy.T0 + 57 * SECOND


def test_a_sensor_may_have_a_longer_gap_than_the_others() -> None:
    slow = (toy.SOURCES[0], Source("gyro", ("turn",), 1.0, 1.5))
    found = cut([*sampled(6), *(door(n, float(n)) for n in range(6))], slow)
    assert turns(found)[2.5] == pytest.approx(2.5)
    lost = [m for m in sampled(6) if not 2.0 < (m.times_N[0] - toy.T0) / SECOND < 2.3]
    starts = {w.start_ns for w in cut([*lost, *(door(n, float(n)) for n in range(6))], slow)}
    assert starts < {w.start_ns for w in found}, "the others keep the gap of all"
    with pytest.raises(InvalidConfiguration, match=r"gyro at 1 Hz.*gap of 0.1 s.*longest_gap_s"):
        cut([], (toy.SOURCES[0], Source("gyro", ("turn",), 1.0)))


@pytest.mark.parametrize(("age_s", "step", "expected"), [(0.16, 4, 4), (1.0, 4, 15), (0.05, 8, 2)])
def test_windows_that_a_value_reaches_while_it_holds(
    age_s: float, step: int, expected: int
) -> None:
    held = (Source("acc", ("x", "y"), None, None, (age_s,) * 2), DOOR)
    slicing = Slicing(step, 0.001, 1.0, 60.0)
    cut_for = sliced_for(slicing, [held[0]])
    assert windows_per_reading(toy.TASK, cut_for) == expected
    age, offsets, most = round(age_s * SECOND), np.arange(8) * toy.PERIOD, 0
    for place in range(0, step * toy.PERIOD, toy.PERIOD // 4):
        starts = np.arange(-60, 60) * step * toy.PERIOD
        since = starts[:, None] + offsets - place
        most = max(most, int(((since >= 0) & (since <= age)).any(axis=1).sum()))
    assert most == expected


def test_what_holds_is_part_of_how_windows_are_cut() -> None:
    slicing = sliced_for(SLICING, SOURCES)
    assert slicing.held == (("turn", AGE_S),)
    assert slicing.back_ns == round(AGE_S * SECOND)
    assert sliced_for(SLICING, toy.SOURCES) == SLICING
