"""``fl-fn test``: what it finds wrong, and says."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fl_common.functions.events import Event, FunctionEvent
from simulate.functions.__main__ import main
from tests.support.open_functions import Found, folder_in, scripted
from tests.support.sandboxes import compile_runner

COUNTING = """\
def handle(event):
    seen = get("seen", 0) + 1
    put("seen", seen)
    if event.time_ns == 13:
        raise ValueError("thirteen")
    emit("found", {"seen": seen})
"""


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)


def tick(time_ns: int, **expected: Any) -> dict[str, Any]:
    return {"given": {"tick": {"time_ns": time_ns}}, **expected}


def seen(number: int) -> list[dict[str, Any]]:
    return [{"kind": "found", "data": {"seen": number}}]


def tried(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status, and what was said."""
    try:
        main(["test", str(folder)])
    except SystemExit as ended:
        return int(str(ended.code)), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_state_goes_on_from_case_to_case_failures_are_cases_and_it_may_begin_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        tick(1, expect=seen(1)),
        tick(2, expect=seen(2)),
        tick(13, fails="thirteen"),
        tick(3, expect=seen(3)),
        tick(4, expect=seen(1), anew=True),
    ]
    folder = folder_in(tmp_path / "counting", COUNTING, cases, on=[{"tick": "*"}])
    status, said = tried(folder, capsys)
    assert status == 0, said
    assert "5 of 5 as expected" in said
    assert "(function.py:5)" in said
    assert "(line 5)" not in said


def test_what_is_not_as_expected_is_shown_beside_what_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [tick(1, expect=seen(7)), tick(13, expect=[]), tick(2, fails="why")]
    folder = folder_in(tmp_path / "counting", COUNTING, cases, on=[{"tick": "*"}])
    status, said = tried(folder, capsys)
    assert status == 1
    assert said.count("WRONG") == 3
    assert 'expected found {"seen": 7}' in said
    assert "wrong      3 of 3 cases" in said


def test_half_of_the_fuel_is_too_much_for_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(event: Event, state: Mapping[str, str]) -> Found:
        return [], state, None

    folder = folder_in(tmp_path / "dear", "", [tick(1, expect=[])])
    for fuel, status in ((1999, 1), (2000, 0)):  # a call of it uses 1000
        opened = scripted(answer, "tick", fuel=fuel)
        monkeypatch.setattr("simulate.functions.trial.open_folder", lambda *_, one=opened: one)
        found, said = tried(folder, capsys)
        assert found == status
        assert ("more than half of limits.fuel (1,999)" in said) is bool(status)


def test_a_folder_that_is_not_there_is_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["test", str(tmp_path / "nowhere")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "nowhere: is no folder of a function. Make one with: fl-fn new nowhere." in said


def test_a_second_time_must_give_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = itertools.count()

    def answer(event: Event, state: Mapping[str, str]) -> Found:
        return [FunctionEvent("found", {})], {"n": str(next(count))}, None

    monkeypatch.setattr("simulate.functions.trial.open_folder", lambda *_: scripted(answer, "tick"))
    cases = [tick(1, expect=[{"kind": "found", "data": {}}])]
    status, said = tried(folder_in(tmp_path / "odd", "", cases), capsys)
    assert status == 1
    assert "a second time gave other events, or another state" in said


def test_an_installed_class_is_tried_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def walks(share: float, expect: list[Any]) -> dict[str, Any]:
        names, values = ["rest", "walk"], [1 - share, share]
        fields = {"start_ns": 0, "end_ns": 1, "names": names, "values": values}
        return {"given": {"prediction": fields}, "expect": expect}

    change = {"from": "walk", "to": "rest", "since_ns": 0}
    first = {"from": None, "to": "walk", "since_ns": 0}
    folder = folder_in(
        tmp_path / "change",
        "",
        [
            walks(0.9, [{"kind": "label-change", "data": first}]),
            walks(0.9, []),
            walks(0.1, [{"kind": "label-change", "data": change}]),
        ],
    )
    (folder / "function.json").write_text(
        '{"class": "fl_client.functions.label_change.LabelChange", "arguments": {"windows": 1},'
        ' "labels": ["rest", "walk"]}'
    )
    status, said = tried(folder, capsys)
    assert status == 0, said
    assert "the same bytes" in said
