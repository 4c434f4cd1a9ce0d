"""``cases.jsonl``: what is a case, and when what is found agrees with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, no_model, repeated
from fl_common.functions.cases import agrees, read_cases, try_cases
from fl_common.functions.events import Event
from fl_common.functions.sandbox.outcome import Failure, Outcome

TICK = '{"given": {"tick": {"time_ns": 5}}, '


def test_cases_are_read_in_order_and_empty_lines_are_none(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(f'{TICK}"expect": []}}\n\n{TICK}"fails": "no", "anew": true}}\n')
    first, second = read_cases(path)
    assert (first.line, first.expect, first.fails, first.anew) == (1, [], None, False)
    assert (second.line, second.fails, second.anew) == (3, "no", True)


def test_a_string_may_have_what_others_take_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(f'{TICK}"fails": "\u2028\u0085"}}\r\n', "utf-8")
    assert [case.fails for case in read_cases(path)] == ["\u2028\u0085"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "has no case"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "must be an object"),
        ('{"expect": []}', "must be an object with what is given"),
        (TICK[:-2] + "}", "either expect or fails"),
        (TICK + '"expect": [], "fails": "x"}', "either expect or fails"),
        (TICK + '"expect": [{"kind": "x"}]}', "each a kind and data"),
        (TICK + '"expect": {}}', "each a kind and data"),
        (TICK + '"fails": 3}', "each a kind and data"),
        (TICK + '"expects": []}', "has expects"),
        (TICK + '"expect": [{"kind": "x", "data": ' + "[" * 300 + "]" * 300 + "}]}", "deeper than"),
        ('{"given": {"tock": {}}, "expect": []}', "must be an object of one of"),
        ('{"given": {"tick": {"time_ns": "now"}}, "expect": []}', "time_ns of another type"),
    ],
)
def test_a_line_that_is_no_case_is_refused_in_one_line(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidData, match=words) as refusal:
        read_cases(path)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="can't be read"):
        read_cases(tmp_path / "none.jsonl")
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidData, match="no UTF-8"):
        read_cases(tmp_path / "odd")


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (0.8999999761581421, 0.9, True),
        (0.91, 0.9, False),
        (1, True, False),
        ({"a": [1.0, "x"]}, {"a": [1, "x"]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], [1, 2], False),
        (None, None, True),
        ("1", 1, False),
    ],
)
def test_numbers_agree_but_for_their_rounding(found: Any, expected: Any, same: bool) -> None:
    assert agrees(found, expected) is same


ASKED = TICK + '"expect": [], "infers": [{"shape": [1, 2], "gives": [0.25, 0.75]}]}'


class Asking:
    """Asks about windows of these shapes, and finds what is answered."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self._shapes = shapes

    def call(self, event: Event, state: Mapping[str, str], model: Model = no_model) -> Outcome:
        """See ``OpenFunction``."""
        del event
        for shape in self._shapes:
            try:
                model(np.zeros(shape, np.float32))
            except InvalidData as error:
                words = f"{error.value} {error.rule}"
                return Outcome((), state, (), Failure("error", words), 1, 0.0)
        return Outcome((), state, (), None, 1, 0.0)


@pytest.mark.parametrize(
    ("shapes", "otherwise"),
    [
        (((1, 2),), ""),
        ((), "asks the model 1 times less"),
        (((1, 3),), "asks the model about 1 x 3, where the case has 1 x 2"),
        (((1, 2), (1, 2)), "asks the model about 1 x 2, which the case does not know"),
    ],
)
def test_what_is_asked_must_be_what_was_recorded(
    tmp_path: Path, shapes: tuple[tuple[int, ...], ...], otherwise: str
) -> None:
    (tmp_path / "cases.jsonl").write_text(ASKED)
    (tried,) = try_cases(Asking(*shapes), read_cases(tmp_path / "cases.jsonl"))
    assert (tried.fits, tried.otherwise) == (not otherwise, otherwise)


def test_a_failure_of_the_model_can_be_recorded(tmp_path: Path) -> None:
    fails = '"infers": [{"shape": [1], "fails": "no model"}], "fails": "no model"}'
    (tmp_path / "cases.jsonl").write_text(TICK + fails)
    (tried,) = try_cases(Asking((1,)), read_cases(tmp_path / "cases.jsonl"))
    assert tried.fits


def test_a_model_that_is_given_must_answer_as_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text(ASKED)
    cases = read_cases(tmp_path / "cases.jsonl")
    for answer, fits in (([0.25001, 0.74999], True), ([0.3, 0.7], False)):
        given = np.array([answer], np.float32)
        (tried,) = try_cases(Asking((1, 2)), cases, repeated([given]))
        assert tried.fits is fits
    assert "the model gives [0.3, 0.7], where the case has another answer" in tried.otherwise


@pytest.mark.parametrize(
    "infers",
    ["3", "[3]", '[{"shape": [1]}]', '[{"shape": [1.5], "gives": []}]',
     '[{"shape": [1], "gives": ["x"]}]', '[{"shape": [1], "gives": [1], "fails": "x"}]',
     '[{"shape": [0], "gives": []}]', '[{"shape": [1], "fails": 3}]'],
)  # fmt: skip
def test_what_is_no_recording_is_refused(tmp_path: Path, infers: str) -> None:
    (tmp_path / "cases.jsonl").write_text(f'{TICK}"expect": [], "infers": {infers}}}')
    with pytest.raises(InvalidData, match="each a shape and what it gives, or fails"):
        read_cases(tmp_path / "cases.jsonl")
