"""Questions to the box's model over the host's channel: answered in time, and nothing trusted."""

import base64
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.functions.host import CallEnded, FunctionSource, HostLimits
from fl_client.functions.host.asking import Answerer, nobody, reply_to
from fl_client.functions.host.channel import ChannelError
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.host.process import HostProcess
from fl_client.inference.asked import asked_engine
from fl_common.functions.asked import Numbers
from fl_common.functions.events import Window
from fl_common.programs.troubles import Troubles
from tests.support.engines import engine_on
from tests.support.model_files import published, slot_with
from tests.support.open_functions import folder_in
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner, limits

GRANT = Grant(("python",), ("emit", "infer"), 50_000_000, 64, 2)
ASKS = """
def handle(event):
    width, times = len(event.channels), settings["windows"]
    try:
        answers = infer(event.values * times, [times, len(event.values) // width, width])
    except ValueError as error:
        answers = str(error)
    emit("found", {"answers": answers})
"""
COUNT = int(np.prod(TASK.window_shape))
WINDOW = Window(0, 1, TASK.channels, (1.0,) * COUNT)


def source(folder: Path, windows: int = 1) -> FunctionSource:
    """A function that asks about so many windows at a time."""
    changes: dict[str, Any] = {
        "needs": ["emit", "infer"], "settings": {"windows": windows},
        "limits": limits(milliseconds=10_000), "on": [{"window": TASK.name}],
    }  # fmt: skip
    folder_in(folder, ASKS, **changes)
    return Sandboxes(GRANT, TASK, 10.0, lambda without: 0).source("asks", folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A box's folder that has compiled the runner before."""
    shutil.copytree(compile_runner(), tmp_path / "box" / MACHINE_CODE)
    return tmp_path / "box"


@pytest.fixture
def limits_of_host() -> HostLimits:
    return HostLimits(30.0, 256, GRANT.megabytes)


@pytest.fixture
def host(home: Path, tmp_path: Path, limits_of_host: HostLimits) -> Iterator[HostProcess]:
    """A host whose functions ask an engine on a real model."""
    engine = engine_on(slot_with(tmp_path / "slot", published(tmp_path / "model.onnx", 1)))
    engine.swap()
    model = asked_engine(engine, TASK, 4)
    host = HostProcess(home, limits_of_host, Troubles(), model)
    yield host
    host.close()


def answers(host: HostProcess, one: FunctionSource) -> Any:
    answer = host.call(1, one, None, WINDOW)
    assert answer.events, answer.failures
    return answer.events[0].data["answers"]


def test_a_function_is_answered_by_the_model_that_serves(host: HostProcess, tmp_path: Path) -> None:
    (first, second) = np.reshape(answers(host, source(tmp_path / "f", 2)), (2, -1))
    assert first.argmax() == second.argmax() == 1
    assert len(first) == len(TASK.labels)


def test_more_windows_than_the_box_takes_at_a_time_are_refused_in_words(
    host: HostProcess, tmp_path: Path
) -> None:
    told = answers(host, source(tmp_path / "f", 5))
    assert told == "5 windows can't be asked at a time; 4 can (engine.largest_batch)"


def test_without_a_model_a_function_is_told_so(
    home: Path, tmp_path: Path, limits_of_host: HostLimits
) -> None:
    host = HostProcess(home, limits_of_host, Troubles())
    assert answers(host, source(tmp_path / "f")) == "no model serves here at present"
    host.close()


@pytest.mark.parametrize(
    ("then", "cause"),
    [("", "no_model"), ("  except ValueError: raise KeyError('x')", "no_model"),
     ("  except ValueError:\n   while True: pass", "fuel")],
)  # fmt: skip
def test_a_function_that_fails_for_want_of_a_model_fails_by_a_cause_of_its_own(
    home: Path, tmp_path: Path, then: str, cause: str
) -> None:
    """And one that does worse after it has asked has no excuse."""
    asks = "infer(event.values, [1, len(event.values)])"
    source = f"def handle(event):\n  try: {asks}\n{then or '  finally: pass'}\n"
    needs: dict[str, Any] = {"needs": ["infer"], "emits": {}, "limits": limits(milliseconds=10_000)}
    folder_in(tmp_path / "f", source, **needs)
    one = Sandboxes(GRANT, TASK, 10.0, lambda without: 0).source("asks", tmp_path / "f")
    patient = HostLimits(60.0, 256, GRANT.megabytes)
    with closing(HostProcess(home, patient, Troubles())) as host:
        answer = host.call(1, one, None, WINDOW)
    assert answer.outcome == cause, answer.failures
    assert answer.waits is (cause == "no_model")


def test_a_failure_of_which_the_model_knows_nothing_has_no_excuse(
    host: HostProcess, tmp_path: Path
) -> None:
    source = "def handle(event): raise ValueError('no model serves here at present')"
    folder_in(tmp_path / "f", source, needs=["infer"], emits={}, limits=limits(milliseconds=10_000))
    one = Sandboxes(GRANT, TASK, 10.0, lambda without: 0).source("asks", tmp_path / "f")
    assert host.call(1, one, None, WINDOW).outcome == "error"


def test_a_model_that_takes_longer_than_the_call_may_ends_it(home: Path, tmp_path: Path) -> None:
    seconds = list[float]()

    def slow(windows: Numbers, left: float) -> Numbers:
        seconds.append(left)
        time.sleep(left + 0.01)
        return windows

    host = HostProcess(home, HostLimits(5.0, 256, GRANT.megabytes), Troubles(), slow)
    one = source(tmp_path / "f")
    with pytest.raises(CallEnded, match="the model did not answer it within"):
        host.call(1, one, None, WINDOW)
    assert 0 < seconds[0] <= 5
    host.close()


def encoded(values: list[float]) -> str:
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    "question",
    [
        None, [], {}, {"shape": [1], "values": 3}, {"shape": [1], "values": "="},
        {"shape": [1], "values": "AAA="}, {"shape": "one", "values": encoded([1.0])},
        {"shape": [[1]], "values": encoded([1.0])}, {"shape": None, "values": encoded([1.0])},
    ],
)  # fmt: skip
def test_what_is_no_question_ends_the_process(question: Any) -> None:
    with pytest.raises(ChannelError, match="its question to the model is none"):
        reply_to(question, nobody(), 1.0)


@pytest.mark.parametrize("shape", [[2], [0], [-1, -1], [1] * 9, [10**30]])
def test_a_shape_that_the_values_have_not_is_refused_before_the_model_is_asked(
    shape: list[int],
) -> None:
    def never(_windows: Numbers, _seconds: float) -> Numbers:
        raise AssertionError

    reply = reply_to({"shape": shape, "values": encoded([1.0])}, Answerer(never), 1.0)
    assert "refused" in reply


@pytest.mark.parametrize("module", ["fl_common.functions.trial", "fl_client.functions.host.child"])
def test_what_is_shut_in_has_no_numpy_before(module: str) -> None:
    """It starts threads, which a filter of system calls that came later would not hold."""
    code = f"import sys, {module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
