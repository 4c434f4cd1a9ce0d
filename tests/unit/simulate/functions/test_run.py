"""``fl-fn run``: what a function is shown of windows, and what a person sees."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.functions.asked import no_model
from fl_common.functions.events import Event, FunctionEvent, Predicted, Reading, Tick, Window
from fl_common.functions.sandbox.outcome import Failure
from simulate.functions.__main__ import main
from simulate.functions.seen import Seen, SeenWindow
from simulate.functions.showing import events_for
from simulate.functions.windows import seconds_of
from tests.support.open_functions import Found, folder_in, scripted
from tests.support.sandboxes import compile_runner


def seen(number: int, stream: str = "") -> SeenWindow:
    """A window of four readings, half of which the one before has had."""
    start_ns = number * 20
    values = [float(start_ns // 10 + place) for place in range(4) for _ in range(2)]
    window = Window(start_ns, start_ns + 40, ("x", "y"), values, stream)
    predicted = Predicted(start_ns, start_ns + 40, ("rest", "walk"), (0.1, 0.9), stream)
    return SeenWindow(window, predicted)


def test_each_reading_is_shown_once_and_before_its_window() -> None:
    events = list(events_for(("reading", "window", "prediction", "tick"), [seen(0), seen(1)]))
    readings = [one for one in events if isinstance(one, Reading)]
    assert [one.time_ns for one in readings] == [0, 10, 20, 30, 40, 50]
    assert [one.values[0] for one in readings] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [type(one) for one in events[4:7]] == [Window, Predicted, Tick]


def test_windows_have_nothing_for_a_function_of_happenings() -> None:
    with pytest.raises(InvalidConfiguration, match="cases"):
        list(events_for(("happening",), [seen(0)]))


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("1d", 86400)]
)
def test_a_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "-1h", "1.5h", "1h ", "1w", "9999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="must be a number and"):
        seconds_of(text)


SEEN = Seen((seen(0), seen(1, "press")), no_model)


@pytest.fixture
def two_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulate.functions.run.held_out", lambda *_: SEEN)


def test_what_it_found_and_failed_at_is_shown_with_its_stream_and_its_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_windows: None
) -> None:
    def answer(event: Event, state: Mapping[str, str]) -> Found:
        if event.stream:
            return [], state, Failure("error", "KeyError: [red]", 7)
        return [FunctionEvent("found", {"n": 1})], state, None

    monkeypatch.setattr("simulate.functions.run.open_folder", lambda *_: scripted(answer))
    with pytest.raises(SystemExit) as ended:
        main(["run", "any", "--task", "toy"])
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert 'found {"n": 1}' in said
    assert "failed: KeyError: [red] (line 7)" in said
    assert "2, of which 1 failed" in said
    assert "1,000 at most in a call" in said


def test_events_are_had_as_lines_of_json_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_windows: None
) -> None:
    def answer(event: Event, state: Mapping[str, str]) -> Found:
        return [FunctionEvent("found", {"n": 1})], state, None

    monkeypatch.setattr("simulate.functions.run.open_folder", lambda *_: scripted(answer))
    main(["run", "any", "--task", "toy", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["time_ns"], line["stream"]) for line in lines] == [(0, ""), (20, "press")]
    assert lines[0]["data"] == {"n": 1}


def test_a_function_of_another_task_is_told_that_a_box_would_show_it_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_windows: None
) -> None:
    def answer(event: Event, state: Mapping[str, str]) -> Found:
        return [], state, None

    for tasks, is_told in (({"oven"}, True), ({"oven", "toy"}, False), ({"*"}, False)):
        opened = replace(scripted(answer), tasks=frozenset(tasks))
        monkeypatch.setattr("simulate.functions.run.open_folder", lambda *_, one=opened: one)
        main(["run", "any", "--task", "toy"])
        said = capsys.readouterr().out
        assert ("a box of toy shows it none of these" in said) == is_told


def test_a_watched_function_runs_anew_with_its_new_text_and_errors_end_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    two_windows: None,
) -> None:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    emits = "def handle(event):\n    emit('found', {'text': '%s'})\n"
    folder = folder_in(tmp_path / "watched", emits % "one")

    def edits(path: Path) -> Iterator[None]:
        yield
        (path / "function.py").write_text("def handle(event)\n")
        yield
        (path / "function.json").rename(path / "away")
        yield
        (path / "away").rename(path / "function.json")
        (path / "function.py").write_text(emits % "two")
        yield

    monkeypatch.setattr("simulate.functions.run.changes", edits)
    main(["run", str(folder), "--task", "toy", "--watch"])
    first, broken, gone, last = capsys.readouterr().out.split("waits for a change")[:4]
    assert '"one"' in first
    assert "error: " in broken
    assert "function.py:1" in broken
    assert "found " not in broken
    assert "function.json: can't be read" in gone
    assert '"two"' in last
    assert '"one"' not in last


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "toy", "--last", "1h"], "belongs to --home"),
        (["--home", "site", "--model", "m.onnx"], "belongs to --task"),
        (["--task", "toy", "--most", "-1"], "must be 0"),
        (["--home", "none"], "has no windows and model"),
    ],
)
def test_options_that_do_not_belong_together_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.setattr("simulate.functions.run.open_folder", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main(["run", "any", *options])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
