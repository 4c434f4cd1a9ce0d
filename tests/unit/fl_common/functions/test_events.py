"""Events as JSON: what is written is read, and nothing else."""

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


def test_a_prediction_that_was_stored_before_there_were_kinds_is_read() -> None:
    before = {"start_ns": 1, "end_ns": 2, "labels": ["a", "b"], "probabilities": [0.1, 0.9],
              "stream": ""}  # fmt: skip
    read = Predicted.from_fields(before)
    assert (read.label, read.labels, read.probability("b")) == ("b", ("a", "b"), 0.9)
