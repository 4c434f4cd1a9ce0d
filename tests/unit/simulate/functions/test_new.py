"""``fl-fn new``: each template is ready to test, and nothing is written over."""

import json
from pathlib import Path

import pytest

from simulate.functions.__main__ import main
from tests.support.sandboxes import compile_runner


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)


@pytest.mark.parametrize("on", ["prediction", "window", "reading", "tick", "happening"])
def test_a_new_function_passes_its_own_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on: str
) -> None:
    folder = tmp_path / "fall-alarm"
    main(["new", str(folder), "--on", on])
    assert sorted(path.name for path in folder.iterdir()) == [
        "cases.jsonl", "function.json", "function.py"
    ]  # fmt: skip
    main(["test", str(folder)])
    said = capsys.readouterr().out
    assert "as expected" in said
    assert "the same bytes" in said
    assert "WRONG" not in said


def test_it_knows_the_labels_of_its_task_or_says_that_it_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["new", str(tmp_path / "one"), "--task", "activity"])
    written = json.loads((tmp_path / "one" / "function.json").read_text())
    assert written["on"] == [{"prediction": "activity"}]
    assert written["labels"][0] == "WALKING"
    assert "note: " not in capsys.readouterr().out
    main(["new", str(tmp_path / "two"), "--task", "own"])
    assert json.loads((tmp_path / "two" / "function.json").read_text())["labels"] == []
    assert "note: no shipped task is called own" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["there"], "is there already"),
        (["Not A Name"], "must be lower-case letters"),
    ],
)
def test_what_can_not_be_made_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["new", str(tmp_path / arguments[0]), *arguments[1:]])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert list((tmp_path / "there").iterdir()) == []
