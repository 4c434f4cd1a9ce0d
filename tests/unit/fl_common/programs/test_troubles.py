"""Troubles: one for each part, its beginning and end logged once, and the time of its beginning."""

import logging

import pytest

from fl_common.programs.troubles import Troubles


class Clock:
    """Seconds that a test sets."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_trouble_keeps_its_beginning_until_it_ends() -> None:
    clock = Clock()
    troubles = Troubles(clock)
    troubles.begin("store", "the disk is full", "Free some space")
    clock.now_s = 1_060.0
    troubles.begin("store", "the disk is full", "Free some space")
    troubles.begin("sensor watch", "no message for 60 s", "Check it")

    assert [trouble.part for trouble in troubles.current()] == ["store", "sensor watch"]
    assert str(troubles.current()[0]) == (
        "store: the disk is full (since 1970-01-01T00:16:40Z). Free some space."
    )
    troubles.end("store")
    assert [trouble.part for trouble in troubles.current()] == ["sensor watch"]


def test_the_first_of_a_cause_and_the_end_are_logged_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    troubles = Troubles(clock)
    for _ in range(3):
        troubles.begin("model", "no model serves", "Place one")
    troubles.begin("model", "it was refused", "Correct it")
    clock.now_s += 5
    troubles.end("model")
    troubles.end("model")

    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "model: no model serves",
        "model: it was refused",
        "model: works again after 5 s",
    ]


def test_a_cause_that_was_sent_by_somebody_is_one_line() -> None:
    troubles = Troubles(Clock())
    troubles.begin("sensor watch", "malformed\nERROR forged", "Compare it")

    assert "\n" not in str(troubles.current()[0])


def test_what_comes_and_goes_is_logged_a_few_times_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    troubles = Troubles(clock)

    def flap(times: int) -> list[str]:
        caplog.clear()
        for number in range(times):
            troubles.begin("clock", f"watch is {number} s ahead", "Set it")
            clock.now_s += 1
            troubles.end("clock")
            troubles.current()
        return [record.getMessage() for record in caplog.records]

    said = flap(1_000)
    assert len(said) == 6
    assert "counted, and not logged" in said[-2]
    assert troubles.begun() == {"clock": 1_000}
    clock.now_s += 601
    caplog.clear()
    assert troubles.current() == ()
    assert "changed 997 times more than was logged" in caplog.text
    assert len(flap(1)) == 2


def test_a_cause_that_changes_with_each_call_is_logged_a_few_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    troubles = Troubles(Clock())
    for number in range(100):
        troubles.begin("store", f"failed {number} times", "Look at it")
    assert len(caplog.records) == 3
    assert troubles.current()[0].cause == "failed 99 times"
    assert troubles.begun() == {"store": 1}
