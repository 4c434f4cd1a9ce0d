"""``docs/how-to/live.md`` as a person types it: a whole play, Ctrl-C, no mosquitto."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.task_checks import one_call
from models.kinds import kind_of
from simulate.__main__ import main
from simulate.world.wearables import Wearables
from tests.support.mosquitto import Mosquitto
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

PATIENCE = 300.0  # seconds
SITES = 2


def command(folder: Path, *overrides: str) -> list[str]:
    return [
        *(sys.executable, "-m", "simulate", "engine=live", "net=logistic", "rounds=1", "sites=2"),
        *(f"engine.sites={SITES}", "engine.speed=20", f"hydra.run.dir={folder}", *overrides),
    ]


def left_running(folder: Path) -> list[str]:
    """Commands of processes that name ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and process.pid != os.getpid():
            found.append(words)
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The page's command, small and faster; the folder, and what was shown."""
    folder = tmp_path_factory.mktemp("played")
    Mosquitto(folder)  # skips where there is none
    small = " ".join(command(folder, "engine.seconds=3")[3:])
    (page,) = blocks("docs/how-to/live.md")
    return folder, typed(replaced(page, ("engine=live", small)), desk(folder / "reader"))


@pytest.mark.long
def test_the_table_is_the_page_s(played: tuple[Path, str]) -> None:
    page = (ROOT / "docs" / "how-to" / "live.md").read_text("utf-8")
    (heading,) = re.findall(r"^ {4}(site .*)$", page, re.MULTILINE)
    assert " ".join(heading.split()) in [" ".join(line.split()) for line in played[1].splitlines()]
    for file in ("summary.json", "predictions.jsonl", "person-01.log", "person-01/site.yaml"):
        assert (played[0] / "live" / file).is_file()
        assert f"`{file.replace('person-01', '<site>')}`" in page


@pytest.mark.long
def test_nothing_is_lost_and_every_window_is_predicted(played: tuple[Path, str]) -> None:
    folder, shown = played
    sites: list[dict[str, Any]] = json.loads((folder / "live" / "summary.json").read_text())
    assert [site["site"] for site in sites] == ["person-01", "person-02"]
    for site in sites:
        assert site["windows"] == site["predictions"] > 15
        assert site["sent"] == site["received"] == site["processed"] + site["waiting"]
        assert site["lost"] == {}
        assert site["processed"] > site["waiting"] > 0
        assert 0 < site["latency_p50_s"] <= site["latency_p99_s"]
    assert "On every site: received = processed + waiting + lost." in shown
    assert not left_running(folder)


@pytest.mark.long
def test_what_is_heard_is_what_the_model_says_of_the_held_out_windows(
    played: tuple[Path, str],
) -> None:
    folder, _ = played
    world = Wearables(None, SITES)
    test, labels = world.test(), world.task.labels
    model = OnnxModel((folder / "model.onnx").read_bytes(), 1)
    lines = [json.loads(x) for x in (folder / "live" / "predictions.jsonl").open()]
    for position, name in enumerate(world.sites):
        windows = test.windows.take(test.group_of == position)
        best_N = one_call(model, kind_of(world.task), windows.values).argmax(1)
        expected = [(labels[k], labels[t]) for k, t in zip(best_N, windows.labels, strict=True)]
        heard = [(line["said"], line["truth"]) for line in lines if line["site"] == name]
        assert heard == [expected[n % len(expected)] for n in range(len(heard))]


@pytest.mark.long
def test_ctrl_c_ends_it_with_its_table_and_leaves_nothing_running(
    played: tuple[Path, str], tmp_path: Path
) -> None:
    model = played[0] / "model.onnx"
    process = subprocess.Popen(
        command(tmp_path, "engine.seconds=60", "engine.sites=1", f"engine.model={model}"),
        cwd=ROOT,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert any(re.search(r" [1-9]\d* prediction", line) for line in process.stdout)
        assert len(left_running(tmp_path)) == 3  # the program, the broker and the node
        asked = [sys.executable, "-m", "fl_client", "status", "--home"]
        home = str(tmp_path / "live" / "person-01")
        assert subprocess.run([*asked, home], timeout=PATIENCE, capture_output=True).returncode == 0
        os.killpg(process.pid, signal.SIGINT)
        shown, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert errors == ""
    assert re.search(r"site +right +windows.*lost", shown)
    assert not left_running(tmp_path)


def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> str:
    """The one line with which the program refuses, before anything is trained; its status is 2."""
    monkeypatch.setattr(sys, "argv", list(arguments))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_without_mosquitto_one_line_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    line = refused(capsys, monkeypatch, *command(tmp_path)[2:])
    assert "apt-get install mosquitto" in line
    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("engine.sites=11", "engine.sites=11"),
        ("engine.speed=0", "engine.speed=0"),
        ("engine.seconds=inf", "engine.seconds=inf"),
        ("engine.model=missing.onnx", "engine.model=missing.onnx"),
    ],
)
def test_a_value_that_can_not_be_used_is_refused_before_training(
    override: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Mosquitto(tmp_path)
    line = refused(capsys, monkeypatch, *command(tmp_path, override)[2:])
    assert line.startswith(f"error: {said}: ")
    assert not (tmp_path / "summary.json").exists()
