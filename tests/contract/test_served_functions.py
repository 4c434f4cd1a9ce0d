"""``fl-fn serve``, judged by the CloudEvents SDK, which hears what this process finds."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring.environments import ROOT, judge_python
from benchmarks.measuring.measure import ProcessFailed
from fl_common.functions.events import Predicted, event_fields
from fl_common.programs.own import own_program
from simulate.functions.__main__ import main
from simulate.functions.opened import open_folder
from simulate.functions.showing import called
from tests.support.sandboxes import compile_runner

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


@pytest.fixture
def served(folder: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
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
    monkeypatch.setattr("simulate.functions.opened.machine_code", compile_runner)
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
