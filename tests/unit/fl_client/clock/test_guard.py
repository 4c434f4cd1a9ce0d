"""When a clock is believed: rules, the cases that were met in the field, and properties."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.clock.guard import ClockGuard
from fl_common.programs.troubles import Troubles
from tests.support.clocks import DAY, HOUR, MINUTE, NOON, SECOND, Clocks

MADE = NOON - 100 * DAY


class Machine(Clocks):
    """A machine with a clock that can be set, and the guard that watches it."""

    def __init__(self, known_ns: int | None = NOON, wrong_by: int = 0) -> None:
        super().__init__(NOON, wrong_by)
        self.vouched, self.troubles = False, Troubles(lambda: 0.0)
        self.guard = ClockGuard(
            MADE, MINUTE, lambda now: self.vouched, self.troubles, "Set the clock"
        )
        self.guard.recall(known_ns)

    def believes(self) -> bool:
        return self.guard.believes(self.now())

    def hears(self, source: str, wrong_by: int = 0) -> bool:
        """A message of a source with a clock of its own; whether the box's is believed then."""
        self.guard.hear(source, self.true_ns + wrong_by, self.now())
        return self.believes()

    def told(self) -> str:
        (trouble,) = self.troubles.current()
        assert trouble.part == "clock"
        return trouble.cause


def test_a_clock_that_goes_on_is_believed_in_silence() -> None:
    machine = Machine()
    for _ in range(50):
        machine.passes(HOUR)
        machine.wrong_by += 30 * SECOND  # a drift that is corrected in steps
        assert machine.believes()
    assert machine.troubles.current() == ()


def told_of(machine: Machine) -> list[str]:
    return [str(trouble) for trouble in machine.troubles.current()]


def test_two_devices_on_one_topic_one_a_day_ahead_are_named_and_put_no_clock_in_doubt() -> None:
    machine = Machine()
    assert not machine.hears("watch", DAY), "alone it may be right"
    for _ in range(100):
        machine.passes(SECOND)
        assert machine.hears("watch")
        assert machine.hears("watch", DAY)
    (told,) = told_of(machine)
    assert told.startswith(
        "clock of watch: its time stamps are of two clocks, 1 day, 0:00:00 apart"
    )
    assert machine.troubles.begun() == {"clock": 1, "clock of watch": 1}


def test_a_device_whose_clock_was_set_is_heard_at_once() -> None:
    machine = Machine()
    assert not machine.hears("watch", DAY)
    for _ in range(3):
        machine.passes(SECOND)
        assert machine.hears("watch")
    assert machine.troubles.current() == ()


def test_a_device_that_takes_its_time_from_the_box_has_one_clock() -> None:
    machine = Machine()
    for wrong_by in (0, DAY, 0, DAY, 0):
        machine.passes(SECOND)
        machine.wrong_by = wrong_by
        assert machine.hears("watch", wrong_by)
    assert machine.troubles.current() == ()


def test_a_device_that_was_replaced_is_heard_again_after_a_while() -> None:
    machine = Machine()
    for _ in range(3):
        machine.hears("watch", DAY)
        machine.hears("watch")
    assert len(told_of(machine)) == 1
    machine.passes(11 * MINUTE)
    assert machine.hears("watch")
    assert machine.troubles.current() == ()
    machine.wrong_by = -DAY
    assert not machine.hears("watch")


def test_the_first_start_of_all_needs_nobody() -> None:
    assert Machine(known_ns=None).believes()


@pytest.mark.parametrize("source", [None, "watch"])
def test_a_time_before_this_version_was_made_is_in_doubt_whoever_agrees(source: str | None) -> None:
    machine = Machine(None, wrong_by=MADE - NOON - 1)
    assert not machine.believes()
    if source:
        assert not machine.hears(source, machine.wrong_by)
    assert "before this version was made" in machine.told()
    machine.wrong_by = 0
    assert machine.believes()


def test_forty_days_ahead_at_the_start_is_in_doubt_until_it_is_set_right() -> None:
    machine = Machine(wrong_by=40 * DAY)
    assert not machine.believes()
    assert "40 days, 0:00:00 after the last time that was believed" in machine.told()
    assert not machine.hears("watch"), "its clock is right, and forty days behind"
    machine.passes(HOUR)
    machine.wrong_by = 0
    assert machine.believes()
    assert machine.troubles.current() == ()


@pytest.mark.parametrize("who", ["watch", "operator"])
def test_a_box_that_was_off_for_forty_days_is_told_apart_by_others(who: str) -> None:
    machine = Machine(known_ns=NOON - 40 * DAY)
    assert not machine.believes()
    machine.passes(MINUTE)
    if who == "operator":
        machine.vouched = True
        assert machine.believes()
    else:
        assert machine.hears(who)
    machine.vouched = False
    machine.passes(DAY)
    assert machine.believes(), "it goes on from what was believed"


def test_a_box_that_was_off_over_night_needs_nobody() -> None:
    assert Machine(known_ns=NOON - 20 * HOUR).believes()


def test_time_does_not_run_back_over_a_restart() -> None:
    machine = Machine(wrong_by=-2 * HOUR)
    assert not machine.believes()
    assert "2:00:00 before the last time that was believed" in machine.told()


@pytest.mark.parametrize("jump", [60 * DAY, -2 * HOUR, 61 * SECOND])
def test_a_jump_is_in_doubt_until_it_is_undone(jump: int) -> None:
    machine = Machine()
    assert machine.believes()
    machine.wrong_by = jump
    assert not machine.believes()
    assert "it jumped" in machine.told()
    machine.passes(3 * SECOND)
    assert not machine.believes()
    machine.wrong_by = 0
    assert machine.believes()
    assert machine.troubles.current() == ()


def test_two_hours_behind_before_ntp_is_found_by_the_sensors_and_ends_with_the_step() -> None:
    """Nothing else tells it from a box that was off for two hours less than it was."""
    machine = Machine(known_ns=NOON - 2 * HOUR, wrong_by=-2 * HOUR)
    assert machine.believes()
    assert not machine.hears("watch")
    assert "watch up to 2:00:00 later" in machine.told()
    machine.passes(10 * MINUTE)
    assert not machine.believes()
    machine.wrong_by = 0
    assert machine.believes(), "by what was heard before: no message is needed after the step"


def test_one_fast_device_among_others_is_no_doubt_of_the_box() -> None:
    machine = Machine()
    assert machine.hears("watch")
    assert machine.hears("ring", 2 * HOUR)
    assert not machine.hears("belt", 2 * HOUR), "two against one"


def test_what_came_from_the_future_is_forgotten_once_it_is_the_past() -> None:
    machine = Machine()
    assert not machine.hears("watch", 2 * HOUR)
    machine.passes(2 * HOUR + SECOND)
    assert machine.believes()


def test_what_was_stored_speaks_for_a_source_until_it_is_heard() -> None:
    machine = Machine()
    machine.guard.suppose("watch", NOON + 2 * HOUR, machine.now())
    assert not machine.believes()
    assert machine.hears("watch")
    machine.guard.suppose("watch", NOON + 2 * HOUR, machine.now())
    assert machine.believes()


def test_of_very_many_sources_the_last_ones_are_remembered() -> None:
    machine = Machine()
    for number in range(1200):
        machine.guard.hear(f"watch {number}", machine.true_ns + 2 * HOUR, machine.now())
    assert not machine.believes()
    assert "watch 1000, watch 1001, watch 1002 and 997 more up to 2:00:00" in machine.told()


def test_a_device_that_sends_what_it_stored_says_nothing() -> None:
    machine = Machine()
    assert machine.hears("watch", -5 * DAY)
    away = Machine(known_ns=NOON - 40 * DAY)
    assert not away.hears("watch", -5 * DAY)
    assert away.hears("watch", -2 * MINUTE), "a device's clock may be slow by minutes"


def test_a_day_ahead_and_back_leaves_nothing_behind() -> None:
    machine = Machine()
    assert machine.hears("watch")
    machine.wrong_by = DAY
    assert not machine.hears("watch")
    machine.passes(DAY // 2)
    machine.wrong_by = 0
    assert machine.hears("watch")


@given(st.data())
def test_properties_of_any_course(data: Any) -> None:
    """What is believed is not early, and goes on or is confirmed; what is not has a cause."""
    machine, before, leads = Machine(), None, dict[str, int]()
    for _ in range(data.draw(st.integers(1, 12))):
        machine.vouched = data.draw(st.integers(0, 9)) == 0
        machine.passes(data.draw(st.integers(11 * MINUTE, 2 * DAY)))  # beyond: of two clocks
        machine.wrong_by = data.draw(st.sampled_from([0, 50 * SECOND, DAY, -HOUR * 2, -200 * DAY]))
        if data.draw(st.booleans()):
            source = data.draw(st.sampled_from("abc"))
            leads[source] = data.draw(st.sampled_from([0, -DAY, 2 * HOUR, DAY]))
            machine.hears(source, leads[source])
        now, believed = machine.now(), machine.believes()
        agreeing = sum(-HOUR <= lead - machine.wrong_by <= MINUTE for lead in leads.values())
        ahead = sum(lead - machine.wrong_by > MINUTE for lead in leads.values())
        goes_on = before is not None and abs(now.offset_ns - before) <= MINUTE
        assert bool(machine.troubles.current()) == (not believed)
        if machine.vouched:
            assert believed
        elif believed:
            assert now.wall_ns >= MADE
            assert goes_on or agreeing or (before is None and abs(machine.wrong_by) <= DAY)
        elif now.wall_ns >= MADE:
            assert not (goes_on and ahead <= agreeing)
            assert 2 * agreeing <= len(leads)
        if believed:
            before = now.offset_ns
