"""Functions over predictions: debounce, hysteresis, and one that raises."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fl_client.functions.host import SandboxedSource
from fl_client.functions.label_change import LabelChange
from fl_client.functions.runner import Functions
from fl_client.functions.threshold import Threshold
from fl_client.store.function_memory import Memory
from fl_common.errors import InvalidConfiguration
from fl_common.functions import Function, FunctionEvent, Predicted
from tests.support.function_hosts import LocalHost, functions_of, source_of
from tests.support.sandboxes import fields_of


def predicted(*probabilities: float, start: int = 0, stream: str = "") -> Predicted:
    return Predicted(start, start + 10, ("rest", "walk"), probabilities, stream)


def show(
    functions: Functions, window: Predicted, memories: dict[tuple[str, str], Memory] | None = None
) -> list[tuple[str, FunctionEvent]]:
    """What functions find in a window; ``memories`` are brought up to date, as by a commit."""
    shown = functions(window)
    if memories is not None:
        memories.update(shown.memories)
    return shown.found


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

    functions = functions_of({"broken": lambda: broken, "sound": lambda: sound}, failures_allowed=3)
    with caplog.at_level(logging.WARNING):
        found = [show(functions, predicted(1.0, 0.0, start=n)) for n in range(5)]
    assert [[name for name, _ in one] for one in found] == [["sound"]] * 5
    assert len(calls) == functions.failures["broken"] == 3
    assert [*functions.disabled] == ["broken"]
    assert "function broken is disabled: it failed 3 times, first: " in caplog.messages[-1]


def test_a_function_in_a_sandbox_has_the_rule_of_its_own_and_not_the_boxs_count() -> None:
    def sometimes(predicted: Predicted) -> Iterable[FunctionEvent]:
        if predicted.values[0] > 0.5:
            raise ValueError("too sure")
        return ()

    after = {"on_failure": {"disable_after": {"failures": 2, "of_last": 3}}}
    sandboxed = SandboxedSource("x", fields_of(**after), "", Path("runner.wasm"), "00")
    source = replace(source_of(lambda: sometimes), sandboxed=sandboxed)
    functions = Functions({"own": source}, LocalHost(), failures_allowed=1)
    for start, share in enumerate([0.9, 0.1, 0.1] * 5):
        show(functions, predicted(share, 1 - share, start=start))
    assert functions.disabled == {}
    for start in (20, 21, 22):
        show(functions, predicted(0.9, 0.1, start=start))
    assert functions.failures == {"own": 7}, "the third one was not shown to it"
    assert "in its last 3 calls, first: ValueError: too sure" in functions.disabled["own"].why


def test_a_function_is_shown_each_window_once_and_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[int] = []

    def watch(predicted: Predicted) -> Iterable[FunctionEvent]:
        starts.append(predicted.start_ns)
        return ()

    functions = functions_of({"watch": lambda: watch}, failures_allowed=3)
    for start in (10, 30, 20, 30, 40, 40):
        show(functions, predicted(1.0, 0.0, start=start))
    assert starts == [10, 30, 40]
    assert functions.late == {"watch": 3}
    assert len(caplog.messages) == 1
    show(functions, predicted(1.0, 0.0, start=40 - 3600 * 10**9))
    show(functions, predicted(1.0, 0.0, start=41 - 3600 * 10**9))
    assert starts[3:] == [40 - 3600 * 10**9, 41 - 3600 * 10**9]


def test_a_function_is_silent_after_ten_late_windows_in_a_row_until_it_is_shown_one() -> None:
    functions = functions_of({"change": partial(LabelChange, 1)}, failures_allowed=3)
    hour, minute = 3600 * 10**9, 60 * 10**9
    show(functions, predicted(1.0, 0.0, start=hour))
    for number in range(10):
        assert functions.silent == {}
        show(functions, predicted(1.0, 0.0, start=minute + number))
    assert functions.silent == {"change": hour}
    show(functions, predicted(1.0, 0.0, start=hour + 1))
    assert functions.silent == {}


WALKS = [0.9, 0.9, 0.2, 0.1, 0.1, 0.9, 0.9, 0.9]


def made(name: str) -> Function:
    return LabelChange(2) if name == "change" else Threshold("walk", 0.8, 0.4, 2)


@pytest.mark.parametrize("name", ["change", "alarm"])
@pytest.mark.parametrize("stop", range(1, len(WALKS)))
def test_a_function_goes_on_after_a_restart_where_it_was(name: str, stop: int) -> None:
    memories: dict[tuple[str, str], Memory] = {}

    def run(functions: Functions, first: int, last: int) -> list[FunctionEvent]:
        windows = [predicted(1 - WALKS[n], WALKS[n], start=n) for n in range(first, last)]
        return [event for window in windows for _, event in show(functions, window, memories)]

    whole = run(functions_of({name: partial(made, name)}, 3), 0, len(WALKS))
    before = functions_of({name: partial(made, name)}, 3)
    memories.clear()
    told = run(before, 0, stop)
    after = functions_of({name: partial(made, name)}, 3)
    after.go_on_from(memories)
    assert told + run(after, stop - 1, len(WALKS)) == whole
    assert after.late == {name: 1}


def test_a_commit_that_failed_takes_a_function_back_to_the_one_before() -> None:
    functions = functions_of({"change": partial(LabelChange, 1)}, 3)
    functions.go_on_from({})
    assert show(functions, predicted(0.1, 0.9, start=1))
    functions.go_on_from({})
    assert show(functions, predicted(0.1, 0.9, start=1))


def test_an_event_that_is_tried_again_and_not_taken_any_more_says_so() -> None:
    functions = functions_of({"change": partial(LabelChange, 1)}, 3)
    (source,) = (named.source for named in functions._running.values())
    functions.use("change", replace(source, on=(("tick", "*"),)))
    shown = functions(predicted(0.1, 0.9), only="change")
    (failed,) = shown.failed
    assert failed[:2] == ("change", "it does not take this prediction any more")


def test_commits_that_fail_disable_no_function_for_one_window() -> None:
    def broken(predicted: Predicted) -> Iterable[FunctionEvent]:
        raise ValueError

    functions = functions_of({"broken": lambda: broken}, failures_allowed=2)
    for _ in range(5):
        functions.go_on_from({})
        assert functions(predicted(0.1, 0.9, start=1)).failed
    assert functions.failures == {"broken": 1}
    functions(predicted(0.1, 0.9, start=2))
    assert [*functions.disabled] == ["broken"]


def test_a_new_version_goes_on_from_the_memory_of_the_same_class_alone() -> None:
    functions = functions_of({"f": partial(LabelChange, 1)}, 3)
    show(functions, predicted(0.1, 0.9, start=1))
    functions.use("f", source_of(partial(LabelChange, 2)))
    assert [show(functions, predicted(0.1, 0.9, start=n)) for n in (2, 3)] == [[], []]
    functions.use("f", source_of(partial(Threshold, "walk", 0.8, 0.4, 1)))
    assert show(functions, predicted(0.1, 0.9, start=4))
    functions.use("f", source_of(partial(Threshold, "rest", 0.8, 0.4, 1)))
    assert not show(functions, predicted(0.1, 0.9, start=5))


def test_each_stream_has_a_function_of_its_own_also_after_a_restart() -> None:
    memories: dict[tuple[str, str], Memory] = {}

    def run(functions: Functions, starts: Sequence[int]) -> list[int]:
        windows = [
            predicted(walk, 1 - walk, start=start, stream=stream)
            for start in starts
            for stream, walk in (("a", 0.9), ("b", 0.1))
        ]
        return [len(show(functions, window, memories)) for window in windows]

    functions = functions_of({"change": partial(LabelChange, 1)}, 3)
    assert run(functions, [10, 20]) == [1, 1, 0, 0]
    assert len(show(functions, predicted(1.0, 0.0, start=5, stream="slow"))) == 1, (
        "late for none but it"
    )
    again = functions_of({"change": partial(LabelChange, 1)}, 3)
    again.go_on_from(memories)
    assert run(again, [20, 30]) == [0, 0, 0, 0]
    assert again.late == {"change": 2}
    assert {stream for stream, _ in memories} == {"a", "b"}


def test_a_stream_beyond_the_most_begins_anew_and_not_from_an_old_memory() -> None:
    functions = functions_of({"change": partial(LabelChange, 1)}, 3)
    memories: dict[tuple[str, str], Memory] = {}
    show(functions, predicted(0.1, 0.9, stream="a"), memories)
    functions.go_on_from(memories)
    assert not show(functions, predicted(0.1, 0.9, start=1, stream="a"))
    for number in range(1000):
        show(functions, predicted(0.1, 0.9, stream=str(number)))
    ((_, event),) = show(functions, predicted(0.1, 0.9, start=2, stream="a"))
    assert event.data["from"] is None


class Forgetful(LabelChange):
    """Says something that can't be stored, then what it can't read."""

    def remembered(self) -> Mapping[str, Any]:
        return {"seen": float("nan")} if self._seen else {}


def test_a_memory_that_can_not_be_kept_is_a_failure_of_its_function_alone() -> None:
    functions = functions_of({"bad": partial(Forgetful, 1), "good": partial(LabelChange, 1)}, 3)
    memories: dict[tuple[str, str], Memory] = {}
    show(functions, predicted(0.1, 0.9, start=1), memories)
    assert memories["", "bad"].content is None
    assert memories["", "good"].content is not None
    assert functions.failures == {"bad": 1, "good": 0}
    unreadable = replace(memories["", "bad"], content="{}")
    functions.go_on_from({**memories, ("", "bad"): unreadable})
    show(functions, predicted(0.1, 0.9, start=2))
    assert functions.failures == {"bad": 2, "good": 0}, "it is neither read nor kept: once a window"
