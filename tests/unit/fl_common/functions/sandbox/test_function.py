"""A function in Python in its sandbox: what it finds, remembers, and how it fails."""

import json
from dataclasses import replace

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.events import FunctionEvent, Window
from fl_common.functions.limits import MOST_REMEMBERED
from tests.support.hostile_sources import HOSTILE, hostile_source
from tests.support.sandboxes import function_in_python, limits, predicted

COUNTS = """
def handle(event):
    seen = get("seen", 0) + 1
    put("seen", seen)
    log(f"window {seen}")
    if seen >= settings["most"]:
        emit("found", {"seen": seen, "share": 1.0, "at": event.start_ns})
        drop("seen")
"""


def test_it_finds_remembers_and_logs() -> None:
    function = function_in_python(COUNTS, settings={"most": 2})
    first = function.call(predicted(number=1), {})
    assert (first.events, dict(first.state), first.failure) == ([], {"seen": "1"}, None)
    second = function.call(predicted(number=2), first.state)
    assert second.events == [FunctionEvent("found", {"seen": 2, "share": 1, "at": 2 * 10**9})]
    assert (dict(second.state), second.lines) == ({}, [("info", "window 2")])
    assert function.instances == {"start": 1}


def test_the_same_events_take_the_same_fuel_in_every_instance() -> None:
    runs = []
    for _ in range(2):
        function = function_in_python(COUNTS, settings={"most": 9})
        runs.append([function.call(predicted(number=n), {}).fuel for n in range(3)])
    assert runs[0] == runs[1]


RAISES = """
def handle(event):
    put("seen", 1)
    emit("found", {})
    inner(event)

def inner(event):
    return {}[event.label]
"""


def test_an_exception_is_told_with_its_line_and_drops_the_call() -> None:
    function = function_in_python(RAISES)
    outcome = function.call(predicted(), {"seen": "0"})
    assert outcome.failure is not None
    assert (outcome.failure.cause, outcome.failure.line) == ("error", 8)
    assert outcome.failure.text == "KeyError: 'walk' (function.py:8)"
    assert (list(outcome.events), dict(outcome.state)) == ([], {"seen": "0"})
    assert function.instances == {"start": 1}, "it goes on with the same instance"


def test_what_it_may_remember_is_as_much_as_a_box_keeps() -> None:
    source = """
def handle(event):
    put("most", ["a"] * int(event.values[0]))
"""
    function = function_in_python(source)
    kept = refused = 0
    for count in range(8000, 14000, 500):
        outcome = function.call(replace(predicted(), values=(float(count), 0.0)), {})
        assert len(json.dumps(dict(outcome.state))) <= MOST_REMEMBERED, "or the box keeps none"
        kept += outcome.failure is None
        refused += outcome.failure is not None and outcome.failure.cause == "state"
    assert kept + refused == 12
    assert min(kept, refused) > 0


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_fails_alone(name: str) -> None:
    _, cause = HOSTILE[name]
    function = function_in_python(hostile_source(name))
    assert function.call(predicted("walk"), {}).failure is None
    outcome = function.call(predicted("rest"), {"kept": "1"})
    assert outcome.failure is not None
    assert outcome.failure.cause == cause, outcome.failure
    assert outcome.failure.line is not None or "whatever is said" in name, outcome.failure
    assert "\n" not in outcome.failure.text
    assert (list(outcome.events), dict(outcome.state)) == ([], {"kept": "1"})
    assert function.call(predicted("walk"), {}).failure is None, "and the next call is a good one"


def test_a_call_that_takes_long_is_stopped_by_the_clock() -> None:
    source = "def handle(event):\n    while True: pass"
    allowed = limits(fuel=10**12, milliseconds=50)
    outcome = function_in_python(source, limits=allowed).call(predicted(), {})
    assert outcome.failure is not None
    assert outcome.failure.cause == "time"
    assert outcome.fuel < 10**12


def test_random_numbers_and_hashes_are_the_same_everywhere() -> None:
    source = "import random\ndef handle(event): emit('found', {'hash': hash('a')})"
    found = [function_in_python(source).call(predicted(), {}).events for _ in range(2)]
    assert found[0] == found[1]


def test_the_environment_is_that_of_no_box() -> None:
    source = "import os\ndef handle(event): emit('found', {'all': sorted(os.environ)})"
    outcome = function_in_python(source).call(predicted(), {})
    assert all(
        name.startswith(("PYTHON", "COMPONENTIZE")) for name in outcome.events[0].data["all"]
    )


def test_what_it_does_not_need_it_can_not_call() -> None:
    source = "def handle(event): put('a', 1)"
    outcome = function_in_python(source, needs=["log"], emits={}).call(predicted(), {})
    assert outcome.failure is not None
    assert outcome.failure.cause == "needs"
    assert "needs do not name: state" in outcome.failure.text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def handle(event:\n    pass", "SyntaxError"),
        ("x = 1 / 0", "function.py:1"),
        ("import numpy", "no module numpy"),
        ("while True: pass", "fuel"),
    ],
)
def test_what_can_not_be_made_is_refused_in_one_line(source: str, words: str) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        function_in_python(source)
    assert "\n" not in str(caught.value)


def test_a_file_without_its_function_says_so() -> None:
    outcome = function_in_python("def other(event): pass").call(predicted(), {})
    assert outcome.failure is not None
    assert outcome.failure.text == "NameError: function.py defines no handle(event)"


def test_a_shape_gives_another_window() -> None:
    source = """
def transform(window):
    window.values = [2 * x for x in window.values]
    return window
"""
    shape = function_in_python(source, world="shape", needs=[], emits={}, on=[{"window": "*"}])
    window, outcome = shape.transform(Window(0, 1, ("x",), (0.5, 1.0)))
    assert outcome.failure is None
    assert window == Window(0, 1, ("x",), [1.0, 2.0])


def test_an_event_must_be_as_its_schema_says() -> None:
    schema = {"type": "object", "required": ["label"]}
    source = "def handle(event): emit('found', {} if event.label == 'rest' else {'label': 'x'})"
    function = function_in_python(source, emits={"found": schema})
    assert function.call(predicted("walk"), {}).failure is None
    failure = function.call(predicted("rest"), {}).failure
    assert failure is not None
    assert "'label' is a required property" in failure.text
