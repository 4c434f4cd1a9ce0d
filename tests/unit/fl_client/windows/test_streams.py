"""Streams beside each other: neither mixes with another, holds it up, or fills the box."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Source, Window
from fl_client.windows.parts import HeldValue
from fl_client.windows.streams import Streams
from fl_common.errors import InvalidConfiguration
from tests.support import windowing as toy

DAY = 86_400 * SECOND


def streams(most: int = 9) -> Streams:
    return Streams(toy.TASK, toy.SOURCES, toy.SLICING, most, {}, lambda _: None)


def named(name: str, seconds: float = 2.0, shift_ns: int = 0) -> list[Readings]:
    """A stream's readings at its sensors' rates, shifted in time."""
    messages = toy.of((sensor, t + shift_ns, v) for sensor, t, v in toy.regular(seconds))
    return [replace(message, stream=name) for message in messages]


def test_each_stream_has_the_windows_that_it_has_alone() -> None:
    alone = toy.cut(toy.assembler(), [toy.of(toy.regular(2.0))])
    several = streams()
    mixed = [one for pair in zip(named("a"), named("b"), strict=True) for one in pair]
    several.add(mixed, toy.NOW)
    found = several.closed()
    assert len(several) == 2
    for name in ("a", "b"):
        those = toy.contents([window for window in found if window.stream == name])
        assert those <= alone
        assert len(those) == len(alone)


def test_one_streams_clock_makes_nothing_late_in_another() -> None:
    several = streams()
    batch = [*named("fast", shift_ns=20 * SECOND), *named("true")]
    taken = several.add(batch, toy.NOW)
    assert not taken.late_M.any()
    assert {window.stream for window in several.closed()} == {"fast", "true"}


def test_readings_of_streams_beyond_the_most_are_told_apart_and_dropped() -> None:
    several = streams(most=2)
    batch = [*named("a", 0.1), *named("b", 0.1), *named("c", 0.1), *named("a", 0.1)]
    taken = several.add(batch, toy.NOW)
    assert [m.stream for m, over in zip(batch, taken.surplus_M, strict=True) if over] == [
        "c" for _ in named("c", 0.1)
    ]
    assert not taken.late_M.any()
    assert several.needed_from_ns("c") is None


def test_a_stream_that_was_silent_for_a_day_makes_room_and_its_windows_are_made() -> None:
    several = streams(most=1)
    several.add(named("a", 2.0), toy.NOW)
    whole = several.closed()
    assert several.add(named("b"), toy.NOW + DAY - 1).surplus_M.all()
    gone = named("b", shift_ns=DAY)
    assert not several.add(gone, toy.NOW + DAY).surplus_M.any()
    windows = several.closed()
    assert {window.stream for window in windows} == {"b"}
    assert len(windows) == len(whole)
    assert several.needed_from_ns("a") is None


def test_what_a_silent_stream_left_open_is_decided_when_it_ends() -> None:
    several, stream = streams(most=1), toy.regular(2.0, gap=(1.90, 1.96))
    several.add([replace(m, stream="a") for m in toy.of(stream)], toy.NOW)
    before = several.closed()
    several.add(named("b", 0.1, DAY), toy.NOW + DAY)
    waited = [window for window in several.closed() if window.stream == "a"]
    assert waited
    assert toy.contents([*before, *waited]) == {
        (w.start_ns, w.values_TC.tobytes()) for w in finished(stream)
    }


def test_what_held_when_a_silent_stream_ended_holds_when_it_begins_again() -> None:
    age_s = 2 * DAY / SECOND
    sources = (toy.SOURCES[0], Source("gyro", ("turn",), None, None, (age_s,)))
    kept: dict[str, Sequence[HeldValue]] = {}
    several = Streams(toy.TASK, sources, toy.SLICING, 1, {}, kept.update)
    sampled = toy.of(one for one in toy.regular(8.0) if one[0] == "acc")
    doors = [toy.message("gyro", [at * SECOND], [float(at)]) for at in (0, 7)]
    several.add([replace(message, stream="a") for message in (*sampled, *doors)], toy.NOW)
    several.closed()
    several.add(named("b", 0.1, DAY), toy.NOW + DAY)
    several.closed()
    assert [value.value for value in kept["a"]] == [7.0]
    again = [replace(m, times_N=m.times_N + 2 * DAY, stream="a") for m in sampled]
    several.add(again, toy.NOW + 2 * DAY)
    windows = several.closed()
    assert {window.values_TC[0, 2] for window in windows} == {7.0}


def finished(stream: list[toy.Drawn]) -> list[Window]:
    made = toy.assembler()
    made.add(toy.of(stream), toy.NOW)
    return made.closed() + made.finish()


@pytest.mark.parametrize("most", [0, -1, 1.5, 1001])
def test_a_number_of_streams_that_is_none_is_refused(most: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"most_streams={most}"):
        streams(most)
