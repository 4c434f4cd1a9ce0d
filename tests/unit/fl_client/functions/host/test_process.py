"""The function host's process: what it answers, that it ends in time, and what goes on after it."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.functions.host import FunctionSource, HostClosed, HostLimits, HostUnavailable
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import process_of
from tests.support.nodes import wait_for

HOSTILE = "tests.support.hostile_functions"
CHANGE = "fl_client.functions.label_change.LabelChange"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    host = HostProcess(tmp_path, HostLimits(seconds=30.0, megabytes=256), Troubles())
    yield host
    host.close()


def source(name: str, **arguments: object) -> FunctionSource:
    return FunctionSource({"class": name, "arguments": arguments})


def window(number: int, stream: str = "") -> Predicted:
    return Predicted(number, number + 1, ("rest", "walk"), (0.9, 0.1), stream)


def test_a_function_of_a_configuration_and_one_of_a_component_answer_alike(
    host: HostProcess,
) -> None:
    configured = FunctionSource({"_target_": CHANGE, "windows": 1}, "functions.change")
    answers = [
        host.call(key, one, None, window(1))
        for key, one in enumerate([configured, source(CHANGE, windows=1)])
    ]
    assert answers[0].events == answers[1].events
    assert [event.kind for event in answers[0].events or ()] == ["label-change"]
    assert answers[0].content == answers[1].content is not None


@pytest.mark.parametrize(
    ("one", "kind", "words"),
    [
        (source(CHANGE, windows=0), InvalidData, "must be at least 1"),
        (source("no.such.Class"), InvalidData, "can't be made"),
        (FunctionSource({"_target_": CHANGE, "windows": 0}, "functions.x"),
         InvalidConfiguration, "must be at least 1"),
        (FunctionSource({"_target_": "no.such.Class"}, "functions.x"),
         InvalidConfiguration, "no.such.Class"),
        (FunctionSource({"windows": 1}, "functions.x"), InvalidConfiguration, "functions.x"),
    ],
)  # fmt: skip
def test_one_that_can_not_be_made_is_refused_in_one_line(
    host: HostProcess, one: FunctionSource, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as refusal:
        host.check(one)
    assert "\n" not in str(refusal.value)


def test_after_a_process_that_was_killed_functions_go_on_where_they_were(
    host: HostProcess,
) -> None:
    functions = Functions({"good": source(f"{HOSTILE}.Good")}, host, failures_allowed=3)
    numbers = []
    for number in range(6):
        if number in (2, 3):
            child = process_of(host)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        shown = functions(window(number))
        numbers += [event.data["number"] for _, event in shown.found]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert functions.failures == {"good": 0}
    assert host.starts == {"check": 1, "first": 1, "ended": 2}


def test_a_window_that_ends_the_process_is_tried_twice_and_left_out(
    host: HostProcess, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = source(f"{HOSTILE}.Poisoned", at_ns=2)
    functions = Functions(
        {"poisoned": poisoned, "good": source(f"{HOSTILE}.Good")}, host, failures_allowed=3
    )
    shown = [functions(window(number)) for number in range(5)]
    told = [[event.data["number"] for _, event in one.found] for one in shown]
    assert told == [[1, 1], [2, 2], [3], [3, 4], [4, 5]]
    assert [len(one.failed) for one in shown] == [0, 0, 1, 0, 0]
    assert "exit status 3" in shown[2].failed[0].reason
    assert functions.failures == {"poisoned": 1, "good": 0}
    assert host.starts == {"check": 2, "first": 1, "ended": 2}
    assert any("poisoned failed" in message for message in caplog.messages)


def test_what_a_function_logs_is_said_with_its_name(
    host: HostProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        host.call(1, source(f"{HOSTILE}.Talking"), None, window(7))
    assert caplog.messages == [f"function {HOSTILE}.Talking: window 7"]


def test_streams_have_functions_of_their_own_and_dropped_ones_begin_anew(host: HostProcess) -> None:
    good = source(f"{HOSTILE}.Good")

    def number(stream: str) -> object:
        (event,) = host.call(1, good, None, window(1, stream)).events or ()
        return event.data["number"]

    assert [number("a"), number("a"), number("b")] == [1, 2, 1]
    host.drop(1, "a")
    assert [number("a"), number("b")] == [1, 2]
    host.keep(())
    assert [number("a"), number("b")] == [1, 1]


def test_numpy_works_within_the_limits_that_a_node_ships_with(host: HostProcess) -> None:
    answer = host.call(1, source(f"{HOSTILE}.Multiplying"), None, window(1))
    assert answer.failures == []
    assert [event.data for event in answer.events or ()] == [{"of": 8e6}]


def test_its_process_is_the_first_to_end_where_memory_is_short(host: HostProcess) -> None:
    host.call(1, source(CHANGE, windows=1), None, window(0))
    assert Path(f"/proc/{host.process_id}/oom_score_adj").read_text().strip() == "1000"


def test_a_closed_host_answers_nothing(host: HostProcess) -> None:
    host.close()
    with pytest.raises(HostClosed):
        host.call(1, source(f"{HOSTILE}.Good"), None, window(1))


def test_a_host_that_is_closed_while_a_function_is_made_blames_no_function(
    host: HostProcess,
) -> None:
    raised: list[BaseException] = []

    def check() -> None:
        try:
            host.check(source(f"{HOSTILE}.NeverMade"))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    wait_for(lambda: host._checking, "the process")
    host.close()
    thread.join(120)
    assert [type(error) for error in raised] == [HostClosed]


def test_a_function_that_can_not_be_made_any_more_fails_once_a_window(host: HostProcess) -> None:
    missing = source("no.such.Class")
    answers = [host.call(1, missing, None, window(number)) for number in range(2)]
    assert [(one.events, len(one.failures)) for one in answers] == [(None, 1)] * 2
    assert all("can't be made" in one.failures[0] for one in answers)


def test_threads_that_work_on_end_with_their_process_and_others_go_on(host: HostProcess) -> None:
    working = source(f"{HOSTILE}.WorkingOn")
    functions = Functions(
        {"working": working, "good": source(f"{HOSTILE}.Good")}, host, failures_allowed=3
    )
    shown = [functions(window(number)) for number in range(5)]
    assert [[event.data["number"] for _, event in one.found] for one in shown] == [
        [1], [2], [3], [4], [5]
    ]  # fmt: skip
    assert [*functions.disabled] == ["working"]
    assert "threads that work on" in shown[0].failed[0].reason
    assert host.starts["threads"] == 3
    assert process_of(host).num_threads() == 1


def test_a_thread_that_ends_within_its_call_is_no_failure(host: HostProcess) -> None:
    joining = source(f"{HOSTILE}.WorkingOn", joins=True)
    answers = [host.call(1, joining, None, window(number)) for number in range(20)]
    assert [one.failures for one in answers] == [[]] * 20
    assert host.starts == {"first": 1}


def test_what_is_only_checked_disturbs_no_function_that_runs(host: HostProcess) -> None:
    good = source(f"{HOSTILE}.Good")
    host.call(1, good, None, window(1))
    running = host.process_id
    with pytest.raises(InvalidData, match="exit status 3"):
        host.check(source(f"{HOSTILE}.EndsWhenMade"))
    assert host.process_id == running
    (event,) = host.call(1, good, None, window(2)).events or ()
    assert event.data["number"] == 2


def test_where_no_process_can_be_started_a_node_begins_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = Troubles()
    host = HostProcess(tmp_path, HostLimits(seconds=30.0, megabytes=256), troubles)

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(host._closed, "wait", lambda seconds: None)
    with monkeypatch.context() as without, closing(host):
        without.setattr("subprocess.Popen", refuse)
        functions = Functions({"good": source(f"{HOSTILE}.Good")}, host, failures_allowed=3)
        (trouble,) = troubles.current()
        assert trouble.part == "function host"
        assert "Resource temporarily unavailable" in trouble.cause
        with pytest.raises(HostUnavailable):
            host.check(source(f"{HOSTILE}.Good"))
        without.undo()
        assert functions(window(1)).found
        assert troubles.current() == ()
