"""``fl-fn serve``, judged by the CloudEvents SDK, which hears what this process finds."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring.environments import ROOT, judge_python
from benchmarks.measuring.measure import ProcessFailed
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_common.functions.events import Predicted, event_fields
from fl_common.programs.own import own_program
from models.tasks import wearables
from simulate.functions.__main__ import main
from simulate.functions.opened import open_folder
from simulate.functions.showing import called
from tests.support.model_files import published
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World as Sensors
from tests.support.nodes import expected_starts, node, wait_for
from tests.support.open_functions import folder_in
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import promote, source_added

CLIENT = ROOT / "benchmarks" / "judges" / "cloud_events_client.py"
EVENTS = 500


@pytest.fixture(scope="module")
def judge() -> Path:
    """Python with the SDK; without a network a test is skipped, not in CI."""
    try:
        return judge_python("cloud_events")
    except ProcessFailed as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"needs cloudevents from a package index: {error}")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A user's cache, with the machine code that other tests have made."""
    place = tmp_path / "cache" / "join-the-dots"
    place.mkdir(parents=True)
    (place / "machine-code").symlink_to(compile_runner())
    return place.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new function, which tells when the label w has stood for three windows."""
    main(["new", str(tmp_path / "alarm"), "--task", "own"])
    path = tmp_path / "alarm" / "function.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "settings": {"label": "w", "windows": 3}}))
    return tmp_path / "alarm"


@contextmanager
def serving(folder: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process, and its port."""
    command = own_program("simulate.functions", "serve", str(folder), "--port", "0")
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
    ) as process:
        assert process.stderr is not None
        told = re.search(r"http://127.0.0.1:(\d+)", process.stderr.readline())
        assert told is not None
        yield process, int(told[1])
        process.kill()


@pytest.fixture
def served(folder: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with serving(folder, cache) as process:
        yield process


def windows() -> list[Predicted]:
    """Predictions of two streams, whose labels last for some windows each."""
    return [
        Predicted(
            n * 10**9, (n + 1) * 10**9, ("r", "w"), (0.2, 0.8) if n // 7 % 2 else (0.8, 0.2),
            "press" if n % 3 else "mill",
        )
        for n in range(EVENTS)
    ]  # fmt: skip


def asked(judge: Path, port: int, mode: str, events: Sequence[Predicted]) -> list[Any]:
    lines = "".join(json.dumps(event_fields(event)) + "\n" for event in events)
    command = [str(judge), str(CLIENT), str(port), mode]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_sdk_hears_what_this_process_finds_in_both_modes_until_sigterm(
    judge: Path,
    served: tuple[subprocess.Popen[str], int],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, port = served
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    found = [
        [(event.kind, event.data["label"]) for event in outcome.events]
        for _, outcome in called(open_folder(folder), iter(windows()))
    ]
    half = EVENTS // 2
    answers = asked(judge, port, "binary", windows()[:half])
    answers += asked(judge, port, "structured", windows()[half:])
    heard = [
        [(kind.split(".")[2], data["label"]) for _, kind, data in events] for _, *events in answers
    ]
    assert sum(map(len, found)) > 50
    assert heard == found
    assert {status for status, *_ in answers} == {200, 204}
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


COUNTS = """
def handle(event):
    seen, last = get("seen", 0) + 1, get("last")
    put("seen", seen)
    put("last", event.label)
    if event.label != last or seen % 7 == 0:
        shares = [round(value, 3) for value in event.values]
        emit("found", {"seen": seen, "label": event.label, "at": event.start_ns, "shares": shares})
"""
ABOUT: dict[str, Any] = {"on": [{"prediction": "wearables"}], "needs": ["emit", "state"],
         "limits": limits()}  # fmt: skip


def on_a_node(folder: Path, messages: int) -> tuple[list[Predicted], list[Any]]:
    """Predictions of a box, heard at its broker, and what its function tells of them."""
    world, task = World(folder), wearables()
    world.created()
    model = published(folder / "one.onnx", 0, task=task).read_bytes()
    promote(world, world.add(model, task.name))
    promote(world, source_added(world, "counts", COUNTS, **ABOUT))
    shutil.copytree(compile_runner(), folder / "box" / MACHINE_CODE)
    overrides = (
        "functions=none", "components.functions=[counts]", f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.sandbox={forms: [python], needs: [emit, state, log], fuel: 50000000,"
        " memory_mb: 64, functions: 1}",
        "components.poll={every_s: 0.5, jitter: 0.2}",
    )  # fmt: skip
    with (
        Mosquitto(folder / "broker") as broker,
        node(folder / "box", broker.port, *overrides) as box,
        Sensors(broker.port, "box") as sensors,
    ):
        box.wait(healthy=False)
        wait_for(lambda: "counts" in box.status()["functions"]["failures"], "the function")
        sensors.send(0, messages)
        wait_for(lambda: sensors.starts() >= expected_starts(messages), "predictions", 300)
        wait_for(lambda: not box.status()["functions"]["windows"]["waiting"], "the function's end")
        wait_for(lambda: not box.status()["events"]["waiting"], "all that it told")
        by_topic = {
            topic: [data for one, data in sensors.heard if one == topic]
            for topic in ("predictions/box", "events/box")
        }
    told = sorted(by_topic["predictions/box"], key=lambda one: int(one["window_start_ns"]))
    return [predicted(one) for one in told], by_topic["events/box"]


def predicted(data: Any) -> Predicted:
    """A prediction as it was told."""
    shares, begins = data["probabilities"], data["window_start_ns"]
    ends = begins + round(data["window_s"] * 10**9)
    return Predicted(begins, ends, tuple(shares), tuple(shares.values()), model=data["model"])


def facts(data: Any) -> Any:
    return {name: data[name] for name in ("seen", "label", "at", "shares")}


@pytest.mark.long
def test_a_node_serve_and_a_simulation_find_the_same_in_the_same_events(
    judge: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predictions of a box are what the two others are given."""
    given, on_node = on_a_node(tmp_path / "node", 4 * EVENTS + 8)
    assert len(given) >= EVENTS
    folder = folder_in(tmp_path / "counts", COUNTS, **ABOUT)
    with serving(folder, cache) as (process, port):
        heard = [events for _, *events in asked(judge, port, "structured", given)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    simulated = called(open_folder(folder), iter(given))
    found = [facts(one.data) for _, outcome in simulated for one in outcome.events]
    assert len(found) > EVENTS // 10
    assert [facts(data) for events in heard for _, _, data in events] == found
    assert [facts(data) for data in on_node] == found
