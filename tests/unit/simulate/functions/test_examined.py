"""Functions that a run's report shows: checked before it, and examined after it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import BadInput
from fl_common.functions.events import Event, FunctionEvent
from fl_common.functions.sandbox.outcome import Failure
from fl_common.vocabulary import Windows
from simulate.functions.examined import check_functions, examined, shown_by
from simulate.world import TestSet
from tests.support.model_files import published
from tests.support.open_functions import Found, scripted
from tests.support.samples import TASK, windows


@pytest.fixture
def test_set() -> TestSet:
    found: Windows = windows(6)
    return TestSet(found, np.array([0, 0, 0, 1, 1, 1]), ("ada", "ben"))


def answer(event: Event, state: Mapping[str, str]) -> Found:
    """The number of the window in its stream; the third fails."""
    count = int(state.get("n", "0")) + 1
    if count == 3:
        return [], state, Failure("error", "ValueError: three")
    return [FunctionEvent("found", {"n": count})], {"n": str(count)}, None


def test_each_persons_windows_are_a_stream_and_what_was_found_is_counted(
    tmp_path: Path, test_set: TestSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = scripted(answer)
    monkeypatch.setattr("simulate.functions.examined.open_folder", lambda *_: opened)
    content = published(tmp_path / "model.onnx").read_bytes()
    (found,) = examined(["alarm"], test_set, TASK, content)
    assert (found["calls"], found["failed"], found["events"]) == (6, 2, {"found": 4})
    assert found["first_failure"] == "ValueError: three"
    told = [(one["stream"], one["second"], one["data"]["n"]) for one in found["found"]]
    assert told == [("ada", 0.0, 1), ("ada", 0.08, 2), ("ben", 0.0, 1), ("ben", 0.08, 2)]
    assert (found["fuel"], found["fuel_limit"]) == (1000, 50_000_000)


def test_no_functions_need_no_task_over_time(test_set: TestSet) -> None:
    images = replace(TASK, rate_hz=None)
    check_functions([], images)
    assert examined([], test_set, images, b"") == []
    assert shown_by({}) == ()


@pytest.mark.parametrize(
    ("folders", "kinds", "labels", "words"),
    [
        ("alarm", ("prediction",), (), "must be a list of folders"),
        ([3], ("prediction",), (), "must be a list of folders"),
        (["alarm"], ("happening",), (), "what other functions find"),
        (["alarm"], ("prediction",), ("a", "b"), "is for the labels a, b"),
    ],
)
def test_what_can_not_be_shown_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
    folders: list[str],
    kinds: tuple[str, ...],
    labels: tuple[str, ...],
    words: str,
) -> None:
    opened = replace(scripted(answer, *kinds), labels=labels)
    monkeypatch.setattr("simulate.functions.examined.open_folder", lambda *_: opened)
    with pytest.raises(BadInput, match=words):
        check_functions(folders, TASK)


def test_a_task_without_time_has_nothing_for_a_function() -> None:
    with pytest.raises(BadInput, match="no readings over time"):
        check_functions(["alarm"], replace(TASK, rate_hz=None))
