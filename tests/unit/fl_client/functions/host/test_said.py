"""What functions log: some lines of each a minute, and how many were left out."""

import logging

import pytest

from fl_client.functions.host.said import MOST_A_MINUTE, Said

LINES = [(logging.INFO, f"line {number}") for number in range(20)]


def test_beyond_so_many_a_minute_lines_are_counted_and_the_next_minute_says_how_many(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    said = Said(lambda: now)
    assert sum(said.log("loud", LINES, 1) for _ in range(10)) == 200 - MOST_A_MINUTE + 10
    assert said.log("quiet", LINES[:1], 0) == 0
    assert len(caplog.messages) == MOST_A_MINUTE + 1
    caplog.clear()
    now = 60.0
    assert said.log("loud", LINES[:2], 0) == 0
    assert caplog.messages == [
        "function loud: 110 lines of the last minute that it logged in were left out",
        "function loud: line 0",
        "function loud: line 1",
    ]
    caplog.clear()
    now = 120.0
    said.log("loud", [], 0)
    assert caplog.messages == []
