"""What a function in a sandbox asks the model: within its needs and limits, told in words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fl_common.errors import InvalidData
from fl_common.functions.asked import MOST_NUMBERS, Numbers
from fl_common.functions.events import Predicted, Window
from tests.support.sandboxes import function_in_python, limits, predicted

NEEDS = ["emit", "state", "log", "infer"]
ASKS = """
def handle(event):
    width = len(event.channels)
    answers = infer(event.values, [1, len(event.values) // width, width])
    emit("found", {"answers": answers})
"""
WINDOW = Window(0, 1, ("x", "y"), (0.5, 1.0, 0.25, -1.0))


def halves(windows: Numbers) -> Numbers:
    """Of each window its sum, and half of it."""
    sums_N = windows.reshape(len(windows), -1).sum(axis=1)
    return np.stack([sums_N, sums_N / 2], axis=1)


def refuses(_windows: Numbers) -> Numbers:
    raise InvalidData("no model", "serves here at present", "Wait")


def test_the_answers_are_those_of_whoever_runs_it() -> None:
    function = function_in_python(ASKS, needs=NEEDS)
    for model, answers in (
        (halves, [0.75, 0.375]),
        (lambda windows: -halves(windows), [-0.75, -0.375]),
    ):
        outcome = function.call(WINDOW, {}, model)
        assert outcome.failure is None
        assert outcome.events[0].data == {"answers": answers}


def test_why_there_is_no_answer_is_told_with_the_line_and_can_be_caught() -> None:
    outcome = function_in_python(ASKS, needs=NEEDS).call(WINDOW, {}, refuses)
    assert outcome.failure is not None
    assert outcome.failure.text == ("ValueError: no model serves here at present (function.py:4)")
    assert "no model answers here" in str(function_in_python(ASKS, needs=NEEDS).call(WINDOW, {}))
    caught = "def handle(event):\n try: infer([1], [1, 1])\n except ValueError: emit('found')"
    assert function_in_python(caught, needs=NEEDS).call(WINDOW, {}, refuses).failure is None


@pytest.mark.parametrize(
    ("values", "shape", "words"),
    [
        ("[1.0]", "[1, 2]", "1 values are not of the shape 1 x 2"),
        ("[]", "[0]", "0 values can't be asked at a time"),
        ("[1.0]", "[]", "are not of the shape none"),
        ("[1.0]", "[1] * 9", "are not of the shape"),
        ("[1.0]", "[-1]", r"the shape \[-1\] is none"),
        ("[1.0]", "[1.5]", "TypeError"),
        ("['x']", "[1]", "could not convert"),
        (f"[1.0] * {MOST_NUMBERS + 1}", f"[1, {MOST_NUMBERS + 1}]", "can't be asked at a time"),
    ],
)
def test_a_question_that_is_none_is_an_error_of_the_function(
    values: str, shape: str, words: str
) -> None:
    def never(_windows: Numbers) -> Numbers:
        raise AssertionError("it is asked")

    source = f"def handle(event): infer({values}, {shape})"
    function = function_in_python(source, needs=NEEDS, limits=limits(fuel=500_000_000))
    outcome = function.call(predicted(), {}, never)
    assert outcome.failure is not None
    assert re.search(words, outcome.failure.text), outcome.failure.text
    assert function.instances == {"start": 1}, "and the instance lives on"


def test_each_window_of_a_question_counts_as_a_call_of_the_host() -> None:
    source = "def handle(event): infer([1.0] * int(event.values[0]), [int(event.values[0]), 1])"
    function = function_in_python(source, needs=NEEDS, limits=limits(host_calls=10))
    for count, cause in ((10, None), (11, "host_calls")):
        event = replace(predicted(), values=(float(count), 0.0))
        failure = function.call(event, {}, halves).failure
        assert (failure and failure.cause) == cause


def test_what_its_needs_do_not_name_ends_the_call() -> None:
    failure = function_in_python(ASKS).call(WINDOW, {}, halves).failure
    assert failure is not None
    assert (failure.cause, failure.text) == (
        "needs", "it calls what its needs do not name: infer (function.py:4)"
    )  # fmt: skip


def test_it_asks_in_no_settings() -> None:
    with pytest.raises(InvalidData, match="no model answers here"):
        function_in_python("infer([1], [1, 1])\ndef handle(event): pass", needs=NEEDS)


def test_the_line_of_a_trap_is_found_without_asking_again() -> None:
    asked: list[int] = []

    def once(windows: Numbers) -> Numbers:
        asked.append(len(windows))
        return halves(windows)

    source = "def handle(event):\n    size = infer([3.0], [1, 1])\n    while size[0]: pass\n"
    function = function_in_python(source, needs=NEEDS, limits=limits(fuel=5_000_000))
    failure = function.call(predicted(), {}, once).failure
    assert failure is not None
    assert (failure.cause, failure.line, asked) == ("fuel", 3, [1])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('\\ud800')", "ValueError: ? (function.py:2)"),
        ("emit('\\ud800')", "the kind of an event, '\\ud800', has half of a character"),
        ("put('\\ud800', 1)", "a key, '\\ud800', has half of a character"),
        ("get('\\ud800')", "has half of a character"),
        ("emit(3)", "the kind of an event must be a text, and is a int"),
    ],
)
def test_half_of_a_character_is_an_error_of_the_function_and_no_trap(body: str, words: str) -> None:
    function = function_in_python(f"def handle(event):\n    {body}\n")
    failure = function.call(predicted(), {}).failure
    assert failure is not None
    assert failure.cause == "error"
    assert words in failure.text
    assert function.instances == {"start": 1}


def test_half_of_a_character_in_a_line_of_the_log_is_a_question_mark() -> None:
    function = function_in_python("def handle(event):\n    log('a\\ud800')\n    print('b\\udfff')")
    outcome = function.call(Predicted(0, 1, ("x",), (1.0,)), {})
    assert outcome.failure is None
    assert [text for _, text in outcome.lines] == ["a?", "b?"]
