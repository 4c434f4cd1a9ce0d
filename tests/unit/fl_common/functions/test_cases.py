"""``cases.jsonl``: what is a case, and when what is found agrees with it."""

from pathlib import Path
from typing import Any

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.cases import agrees, read_cases

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
