"""From the wheel, in an empty folder: what each install brings, and that it runs."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import Install, run
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World, expected_starts, node, place_model, wait_for

MESSAGES = 40
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def packages(environment: Path) -> set[str]:
    listed = run(environment / "bin" / "python", "-m", "pip", "list", "--format", "json")
    return {one["name"].lower() for one in json.loads(listed)}


def test_without_an_extra_it_is_a_box_that_senses_and_infers(
    tmp_path: Path, empty: Path, install: Install
) -> None:
    environment, home = install(""), tmp_path / "box"
    heavy = {"torch", "torchvision", "opacus", "flwr", "scipy", "onnx", "ray", "plotly"}
    assert not heavy & packages(environment)
    python = str(environment / "bin" / "python")
    with Mosquitto(tmp_path / "broker") as broker:
        place_model(home)
        with (
            node(home, broker.port, python=python, folder=empty) as process,
            World(broker.port, "box") as world,
        ):
            process.wait()
            world.send(0, MESSAGES)
            wait_for(lambda: world.starts() >= expected_starts(MESSAGES), "predictions")
            assert process.stop() == 0


def test_with_the_extra_simulation_a_run_reaches_its_end(empty: Path, install: Install) -> None:
    environment = install("[simulation]")
    words = ["net=logistic", "rounds=2", "sites=4", "hydra.run.dir=out"]
    ended = subprocess.run(
        [environment / "bin" / "fl-simulate", *words],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    left = {path.name for path in (empty / "out").iterdir()}
    assert {"report.html", "model.onnx", "ledger.sqlite", "summary.json"} <= left
    listed = run(environment / "bin" / "fl-repo", "list", "-r", empty / "out" / "repository")
    assert "wearables" in listed
