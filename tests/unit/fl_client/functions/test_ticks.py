"""Ticks are whole multiples of their periods, once each."""

from hypothesis import given
from hypothesis import strategies as st

from fl_client.functions.ticks import Ticks

S = 10**9


def test_each_period_ticks_at_its_multiples_and_together_only_once() -> None:
    ticks, found = Ticks(), []
    for second in range(100, 200):
        found += [one // S for one in ticks.since({"*", "30"}, second * S + 7)]
    assert found == [120, 150, 180]


def test_what_passed_meanwhile_is_one_tick_and_a_clock_set_back_gives_none() -> None:
    ticks = Ticks()
    for now, expected in ((0, []), (7200, [7200]), (60, []), (119, []), (120, [120])):
        assert [t // S for t in ticks.since({"60"}, now * S)] == expected


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_none_comes_twice_while_the_clock_goes_on(steps: list[int]) -> None:
    ticks, now, found = Ticks(), 0, []
    for step in steps:
        now += step
        found += ticks.since({"7", "*"}, now * S)
    assert found == sorted({*found})
    assert all(t % (7 * S) == 0 or t % (60 * S) == 0 for t in found)


def test_a_clock_that_is_set_back_repeats_no_tick() -> None:
    ticks = Ticks()
    times_s = [86_390, 86_401, 86_395, 86_405, 4 * 86_400, 3 * 86_400 + 10, 4 * 86_400]
    told = [[time // S for time in ticks.since({"86400"}, s * S)] for s in times_s]
    assert told == [[], [86_400], [], [], [4 * 86_400], [], [4 * 86_400]], "a day back is anew"
