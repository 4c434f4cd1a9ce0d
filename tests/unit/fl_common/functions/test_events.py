"""Events as JSON: what is written is read, and nothing else."""

import json
import math
from typing import Any

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.events import (
    Event,
    Happening,
    Predicted,
    Reading,
    Tick,
    Window,
    event_fields,
    event_of,
    from_stored,
    to_stored,
)

EVENTS: list[Event] = [
    Predicted(1, 2, ("a", "b"), (0.5, 0.5), "hall", "multilabel", "a;b", "a, b", "ff"),
    Predicted(1, 2, ("a",), (1.0,)),
    Reading("wrist", 1, (0.5,)),
    Window(1, 2, ("x", "y"), (1.0, 2.0), "hall"),
    Happening(1, 2, "fall", "alarm", "{}"),
    Tick(5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert event_of(event_fields(event)) == event


ODD = (math.nan, math.inf, -math.inf, 1.5)


@pytest.mark.parametrize(
    "event",
    [Predicted(0, 1, tuple("abcd"), ODD), Reading("wrist", 1, ODD), Window(0, 1, ("x",), ODD)],
    ids=lambda event: type(event).__name__,
)
def test_numbers_that_json_lacks_are_stored_and_given_back(event: Event) -> None:
    text = json.dumps(to_stored(event), allow_nan=False)
    found = from_stored(json.loads(text))
    assert isinstance(found, Predicted | Reading | Window)
    assert isinstance(found, type(event))
    assert repr(found.values) == repr(ODD)


def test_text_and_numbers_that_no_component_can_be_given_are_no_event() -> None:
    for odd in ({"stream": "\ud800"}, {"channels": ["\ud800"]}, {"values": [10**400]}):
        given = {"start_ns": 0, "end_ns": 1, "channels": ["x"], "values": [1], **odd}
        with pytest.raises(InvalidData, match="of another type"):
            event_of({"window": given})


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"weather": {}},
        {"tick": {}},
        {"tick": {"time_ns": "now"}},
        {"tick": {"time_ns": 1 << 63}},
        {"tick": {"time_ns": 1, "more": 2}},
        {"prediction": {"start_ns": 0, "end_ns": 1, "names": ["a"], "values": []}},
        {"prediction": {"start_ns": 0, "end_ns": 1, "names": "a", "values": [1]}},
        {"prediction": {"start_ns": 0, "end_ns": 1, "names": [], "values": []}},
        {"reading": {"sensor": "a", "time_ns": 1, "values": ["x"]}},
    ],
)
def test_nothing_else_is_an_event(given: Any) -> None:
    with pytest.raises(InvalidData) as caught:
        event_of(given)
    assert "\n" not in str(caught.value)
    event_of(json.loads(caught.value.remedy.removeprefix("Give such as ")))


def test_what_an_event_lacks_is_named_as_a_person_writes_it() -> None:
    with pytest.raises(InvalidData, match="lacks names, start_ns, values") as caught:
        event_of({"prediction": {"end_ns": 1}})
    assert "Predicted" not in str(caught.value)
    with pytest.raises(InvalidData, match="has a label of another type"):
        event_of(
            {"prediction": {"start_ns": 0, "end_ns": 1, "names": [], "values": [], "label": 1}}
        )
    with pytest.raises(InvalidData, match=r'Give such as \{"tick"'):
        event_of({"tick": {}})


def test_a_prediction_that_was_stored_before_there_were_kinds_is_read() -> None:
    before = {"start_ns": 1, "end_ns": 2, "labels": ["a", "b"], "probabilities": [0.1, 0.9],
              "stream": ""}  # fmt: skip
    read = Predicted.from_fields(before)
    assert (read.label, read.labels, read.probability("b")) == ("b", ("a", "b"), 0.9)
