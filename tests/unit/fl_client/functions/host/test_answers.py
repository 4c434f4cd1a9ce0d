"""What a function host's process answers: whatever it is, it can be stored and sent, or is none."""

import json
import logging
from typing import Any

import pytest

from fl_client.functions.host.answers import MOST_LINES, NO_ANSWER, lines_in, read, refusal_in
from fl_common.errors import JoinTheDotsError
from fl_common.functions.limits import MOST_EVENTS, MOST_REMEMBERED
from fl_common.wire.cloud_events import JSON, CloudEvent, to_structured

GOOD: dict[str, Any] = {
    "events": [], "content": None, "failures": [], "seconds": 0.1, "lines": [], "fuel": 7,
    "cause": "error", "instances": {}, "unsaid": 0,
}  # fmt: skip
DEEP: dict[str, Any] = {}
for _ in range(1500):
    DEEP = {"in": DEEP}


def sent(kind: str, data: Any) -> bytes:
    """An event as it is stored."""
    return to_structured(CloudEvent("id", "source", kind, datacontenttype=JSON, data=data))


def taken(answer: dict[str, Any]) -> None:
    """Log and read an answer, as the process's side does."""
    lines_in(answer)
    read(answer, [])


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("k" * 70_000, {}, "70000 characters"),
        ("k", DEEP, "nested deeper than 32"),
        ("k", json.loads('{"n": 1e999}'), "are no JSON"),
        ("\ud800", {}, "not a printable word"),
    ],
    ids=["long", "deep", "infinite", "no character"],
)
def test_an_event_that_could_not_be_stored_is_a_failure(kind: str, data: Any, why: str) -> None:
    with pytest.raises((JoinTheDotsError, UnicodeError, RecursionError)):
        sent(kind, data)
    answer = read({**GOOD, "events": [[kind, data]]}, [])
    assert answer.events is None
    assert why in answer.failures[-1]


def test_more_events_than_are_allowed_are_a_failure() -> None:
    answer = read({**GOOD, "events": [["k", {}]] * (MOST_EVENTS + 1)}, [])
    assert answer.events is None


def test_what_it_remembers_beyond_the_most_is_a_failure_and_is_not_kept() -> None:
    most = read({**GOOD, "content": "x" * MOST_REMEMBERED}, [])
    assert (len(most.content or ""), most.failures) == (MOST_REMEMBERED, [])
    more = read({**GOOD, "content": "x" * (MOST_REMEMBERED + 1)}, [])
    assert (more.events, more.content) == ([], None)
    assert more.failures == ["it remembers 65537 bytes; 65536 are allowed"]


@pytest.mark.parametrize("text", ["a\nb", "\udc80", "x" * 10_000])
def test_a_failure_is_a_line_that_can_be_stored(text: str) -> None:
    (why,) = read({**GOOD, "failures": [text]}, []).failures
    assert why.isprintable()
    assert len(why) <= 1000


@pytest.mark.parametrize(
    "odd",
    [
        {"seconds": json.loads("1e999")},
        {"seconds": 10**400},
        {"seconds": -1.0},
        {"fuel": -1},
        {"fuel": 10**30},
        {"fuel": json.loads("1e999")},
        {"content": "\ud800"},
        {"content": [1]},
        {"failures": 5},
        {"events": [1]},
        {"lines": [["x", "y"]]},
        {"lines": [[json.loads("1e999"), "y"]]},
        {"lines": 5},
        {"unsaid": -1},
        {"unsaid": None},
        {"instances": 5},
        {"instances": {"fuel": "x"}},
    ],
    ids=str,
)
def test_what_is_no_answer_is_told_apart(odd: dict[str, Any]) -> None:
    with pytest.raises(NO_ANSWER):
        taken({**GOOD, **odd})


@pytest.mark.parametrize(
    "cause", ["x" * 9999, None, ["fuel"], {}], ids=["long", "none", "list", "object"]
)
def test_a_cause_that_is_not_known_is_an_error(cause: Any) -> None:
    failed = {**GOOD, "events": None, "failures": ["why"]}
    assert read({**failed, "cause": cause}, []).outcome == "error"
    assert read({**failed, "cause": "fuel"}, []).outcome == "fuel"


def test_a_refusal_has_three_parts() -> None:
    with pytest.raises(NO_ANSWER):
        refusal_in({"refused": ["one"]})


def test_of_what_it_logs_some_short_lines_are_taken_and_the_others_counted() -> None:
    lines, more = lines_in({**GOOD, "lines": [[logging.INFO, "x\n" * 9999]] * 999, "unsaid": 3})
    assert (len(lines), more) == (MOST_LINES, 999 - MOST_LINES + 3)
    assert all(len(one) <= 1000 and "\n" not in one for _, one in lines)


def test_reasons_of_instances_that_are_not_known_are_not_taken() -> None:
    made = {"start": 1, "fuel": 2, "x" * 9999: 3, "calls": 10**30}
    assert read({**GOOD, "instances": made}, []).instances == {
        "start": 1, "fuel": 2, "calls": 1 << 40,
    }  # fmt: skip
