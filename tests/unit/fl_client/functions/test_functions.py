"""Functions over predictions: debounce, hysteresis, and one that raises."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fl_client.functions.label_change import LabelChange
from fl_client.functions.runner import Functions
from fl_client.functions.threshold import Threshold
from fl_common.errors import InvalidConfiguration
from fl_common.functions import Function, FunctionEvent, Predicted


def predicted(*probabilities: float, start: int = 0, stream: str = "") -> Predicted:
    return Predicted(start, start + 10, ("rest", "walk"), probabilities, stream)


def through(function: LabelChange | Threshold, walks: Sequence[float]) -> list[tuple[int, str]]:
    """Place and kind of each happening, for these probabilities of walking."""
    return [
        (place, happening.kind)
        for place, walk in enumerate(walks)
        for happening in function(predicted(1 - walk, walk, start=place))
    ]


def test_a_stray_window_is_no_change_of_label() -> None:
    change = LabelChange(windows=2)
    assert [place for place, _ in through(change, [0.1, 0.1, 0.9, 0.1, 0.9, 0.9])] == [1, 5]


def test_a_change_says_from_to_and_since_when() -> None:
    change = LabelChange(windows=2)
    data = [h.data for i in range(4) for h in change(predicted(0.0, 1.0, start=i))]
    assert data == [{"from": None, "to": "walk", "since_ns": 0}]


def test_an_alarm_is_raised_once_and_cleared_below_the_lower_threshold() -> None:
    alarm = Threshold("walk", above=0.8, below=0.4, windows=2)
    walks = [0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.6, 0.3, 0.5, 0.3, 0.3]
    assert through(alarm, walks) == [(3, "alarm-raised"), (10, "alarm-cleared")]


@pytest.mark.parametrize(("above", "below", "windows"), [(0.4, 0.5, 1), (1.1, 0.5, 1), (1, 0, 0)])
def test_settings_out_of_range_are_refused(above: float, below: float, windows: int) -> None:
    with pytest.raises(InvalidConfiguration):
        Threshold("walk", above, below, windows)


@pytest.mark.parametrize("error", [ValueError("no such thing"), SystemExit(3)])
def test_a_function_that_raises_is_counted_then_left_out_and_the_others_go_on(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def broken(predicted: Predicted) -> Iterable[FunctionEvent]:
        calls.append(predicted)
        raise error

    def sound(predicted: Predicted) -> Iterable[FunctionEvent]:
        return (FunctionEvent("seen", {}),)

    functions = Functions({"broken": lambda: broken, "sound": lambda: sound}, failures_allowed=3)
    with caplog.at_level(logging.WARNING):
        found = [functions(predicted(1.0, 0.0, start=n)) for n in range(5)]
    assert [[name for name, _ in one] for one in found] == [["sound"]] * 5
    assert len(calls) == functions.failures["broken"] == 3
    assert functions.disabled == ["broken"]
    assert "disabled until a restart" in caplog.messages[-1]


def test_a_function_is_shown_each_window_once_and_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[int] = []

    def watch(predicted: Predicted) -> Iterable[FunctionEvent]:
        starts.append(predicted.start_ns)
        return ()

    functions = Functions({"watch": lambda: watch}, failures_allowed=3)
    for start in (10, 30, 20, 30, 40, 40):
        functions(predicted(1.0, 0.0, start=start))
    assert starts == [10, 30, 40]
    assert functions.late == {"watch": 3}
    assert len(caplog.messages) == 1
    functions(predicted(1.0, 0.0, start=40 - 3600 * 10**9))
    functions(predicted(1.0, 0.0, start=41 - 3600 * 10**9))
    assert starts[3:] == [40 - 3600 * 10**9, 41 - 3600 * 10**9]


WALKS = [0.9, 0.9, 0.2, 0.1, 0.1, 0.9, 0.9, 0.9]


def made(name: str) -> Function:
    return LabelChange(2) if name == "change" else Threshold("walk", 0.8, 0.4, 2)


@pytest.mark.parametrize("name", ["change", "alarm"])
@pytest.mark.parametrize("stop", range(1, len(WALKS)))
def test_a_function_goes_on_after_a_restart_where_it_was(name: str, stop: int) -> None:
    def run(functions: Functions, first: int, last: int) -> list[FunctionEvent]:
        windows = [predicted(1 - WALKS[n], WALKS[n], start=n) for n in range(first, last)]
        return [event for window in windows for _, event in functions(window)]

    whole = run(Functions({name: partial(made, name)}, 3), 0, len(WALKS))
    before = Functions({name: partial(made, name)}, 3)
    told = run(before, 0, stop)
    after = Functions({name: partial(made, name)}, 3)
    after.go_on_from(before.memories())
    assert told + run(after, stop - 1, len(WALKS)) == whole
    assert after.late == {name: 1}


def test_a_commit_that_failed_takes_a_function_back_to_the_one_before() -> None:
    functions = Functions({"change": partial(LabelChange, 1)}, 3)
    functions.go_on_from({})
    assert functions(predicted(0.1, 0.9, start=1))
    functions.go_on_from({})
    assert functions(predicted(0.1, 0.9, start=1))


def test_a_new_version_goes_on_from_the_memory_of_the_same_class_alone() -> None:
    functions = Functions({"f": partial(LabelChange, 1)}, 3)
    functions(predicted(0.1, 0.9, start=1))
    functions.use("f", partial(LabelChange, 2))
    assert [functions(predicted(0.1, 0.9, start=n)) for n in (2, 3)] == [[], []]
    functions.use("f", partial(Threshold, "walk", 0.8, 0.4, 1))
    assert functions(predicted(0.1, 0.9, start=4))
    functions.use("f", partial(Threshold, "rest", 0.8, 0.4, 1))
    assert not functions(predicted(0.1, 0.9, start=5))


def test_each_stream_has_a_function_of_its_own_also_after_a_restart() -> None:
    def run(functions: Functions, starts: Sequence[int]) -> list[int]:
        windows = [
            predicted(walk, 1 - walk, start=start, stream=stream)
            for start in starts
            for stream, walk in (("a", 0.9), ("b", 0.1))
        ]
        return [len(functions(window)) for window in windows]

    functions = Functions({"change": partial(LabelChange, 1)}, 3)
    assert run(functions, [10, 20]) == [1, 1, 0, 0]
    assert len(functions(predicted(1.0, 0.0, start=5, stream="slow"))) == 1, "late for none but it"
    again = Functions({"change": partial(LabelChange, 1)}, 3)
    again.go_on_from(functions.memories())
    assert run(again, [20, 30]) == [0, 0, 0, 0]
    assert again.late == {"change": 2}
    assert {stream for stream, _ in functions.memories({"a", "gone"})} == {"a"}


def test_a_stream_beyond_the_most_begins_anew_and_not_from_an_old_memory() -> None:
    functions = Functions({"change": partial(LabelChange, 1)}, 3)
    functions(predicted(0.1, 0.9, stream="a"))
    functions.go_on_from(functions.memories())
    assert not functions(predicted(0.1, 0.9, start=1, stream="a"))
    for number in range(1000):
        functions(predicted(0.1, 0.9, stream=str(number)))
    ((_, event),) = functions(predicted(0.1, 0.9, start=2, stream="a"))
    assert event.data["from"] is None


class Forgetful(LabelChange):
    """Says something that can't be stored, then what it can't read."""

    def remembered(self) -> Mapping[str, Any]:
        return {"seen": float("nan")} if self._seen else {}


def test_a_memory_that_can_not_be_kept_is_a_failure_of_its_function_alone() -> None:
    functions = Functions({"bad": partial(Forgetful, 1), "good": partial(LabelChange, 1)}, 3)
    functions(predicted(0.1, 0.9, start=1))
    memories = functions.memories()
    assert memories["", "bad"].content is None
    assert memories["", "good"].content is not None
    assert functions.failures == {"bad": 1, "good": 0}
    unreadable = replace(memories["", "bad"], content="{}")
    functions.go_on_from({**memories, ("", "bad"): unreadable})
    functions(predicted(0.1, 0.9, start=2))
    assert functions.failures == {"bad": 2, "good": 0}


@pytest.mark.parametrize(
    ("kind", "data"), [("", {}), ("a\nb", {}), ("a", {"b": float("nan")}), ("a", {"b": {1}})]
)
def test_an_event_that_can_not_be_sent_is_a_failure_of_its_function(
    kind: str, data: Mapping[str, Any]
) -> None:
    functions = Functions({"odd": lambda: lambda _: [FunctionEvent(kind, data)]}, 3)
    assert functions(predicted(0.1, 0.9)) == []
    assert functions.failures == {"odd": 1}
