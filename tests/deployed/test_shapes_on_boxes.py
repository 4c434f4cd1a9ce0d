"""A shape before the model on real boxes: sensed, shaped, trained on, published, and served."""

import math
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.ledger.ledger import Ledger
from fl_common.components.description import Kind
from fl_common.functions.shape import digest_of
from fl_common.vocabulary import ShapeSpec
from fl_server.cloud import commands
from fl_server.cloud.build import read_config
from models.metadata import read_metadata
from tests.deployed.fleet import Cloud, until
from tests.deployed.test_kinds_on_boxes import (
    RATE,
    ROWS,
    SECONDS,
    Player,
    box_file,
    task_of,
)
from tests.deployed.test_kinds_on_boxes import (
    Kind as Told,
)
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner
from tests.support.sites import promote
from tests.support.sources import ROOT

pytestmark = pytest.mark.timeout(600)

SHAPE, OTHER = "downsampling", "moving-average"
"""Shapes that this project ships: one makes windows of half as many readings."""
KIND = Told(
    {"kind": "classification", "labels": ["still", "moving"]},
    "logistic",
    "accuracy",
    frozenset(),
    shared=3,
    label=lambda is_moving: "moving" if is_moving else "still",
)


def shipped(world: World, name: str) -> None:
    """A shipped shape in production of the world's repository."""
    folder = ROOT / "functions" / name
    files = {path.name: path for path in folder.iterdir() if path.is_file()}
    promote(
        world,
        world.repository().add(Kind.FUNCTION, name, None, files, {"licence": "Apache-2.0"}),
    )


def started(
    folder: Path, name: str, port: int, world: World, shape: str | None, *words: str
) -> NodeProcess:
    """A box with this shape; it plays what the box of its broker hears."""
    of = (
        f"windows.shape={shape}",
        "components.sandbox={forms: [python], needs: [], fuel: 50000000, memory_mb: 64,"
        " functions: 1}",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 0.5, jitter: 0.2}",
        "function_host.seconds=10.0",
    )
    made = NodeProcess(
        folder / name, port, *(of if shape else ()), *words, config=folder / "box.yaml"
    )
    if shape:
        shutil.copytree(compile_runner(), folder / name / MACHINE_CODE, dirs_exist_ok=True)
    made.start()
    return made


def enrolled(cloud: Cloud, name: str) -> list[str]:
    told = commands.enroll(read_config(cloud.config, []), name, "site", None)
    return [line for line in told if line.startswith("federation")]


def test_a_model_is_trained_and_served_on_windows_of_its_shape(alone: None, tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    world.folder.mkdir()
    world.created()
    shipped(world, SHAPE)
    shipped(world, OTHER)
    task = {**task_of("classification", KIND), "name": "machine"}
    box_file(tmp_path, task)
    cloud = cloud_of(tmp_path, task)
    begin_s = int(time.time()) - 2 * SECONDS
    running: list[NodeProcess] = []
    with Mosquitto(tmp_path / "broker") as broker:
        player = Player(broker.port)
        try:
            running.append(box := started(tmp_path, "box", broker.port, world, SHAPE))
            box.wait(healthy=False)
            until(lambda: box.status()["broker"]["up"], "a box with a broker")
            player.play(begin_s, SECONDS, KIND)
            until(lambda: box.status()["windows"]["labelled"] > 600, "labelled windows")
            box.stop()
            cloud.start()
            for name, shape in (("box", SHAPE), ("plain", None), ("other", OTHER)):
                words = enrolled(cloud, name)
                running.append(started(tmp_path, name, broker.port, world, shape, *words))
            model = cloud.home / "runs" / "first" / "model.onnx"
            until(model.is_file, "the model of the run")
            row = cloud.newest()
            assert (row["updates"], row["refusals"]) == (1, {"plan": 2})
            assert math.isfinite(row["on_sites"]["metrics"][KIND.measure])
            wanted = ShapeSpec(SHAPE, digest_of(ROOT / "functions" / SHAPE), ROWS, RATE)
            assert read_metadata(model.read_bytes()).shape == wanted
            check_charges(tmp_path)
            check_served(tmp_path, running, player, model, begin_s)
        finally:
            player.close()
            for process in running:
                if process.process.poll() is None:
                    process.kill()
            if cloud.process.popen is not None:
                cloud.process.kill()


def cloud_of(folder: Path, task: Mapping[str, Any]) -> Cloud:
    """A server whose runs have the shape."""
    changes = {
        "task": task,
        "shape": str(ROOT / "functions" / SHAPE),
        "rounds": 2,
        "sites": 3,
        "privacy": {"site_windows": 400, "windows_per_reading": KIND.shared},
        "strategy": {"minimum_sites": 1},
        "evaluation": {"every": 1, "epsilon": 8.0},
    }
    return Cloud(folder, changes, net=KIND.net, evaluation="federated")


def check_charges(folder: Path) -> None:
    """The box that trained was charged for it; those that refused were charged nothing."""
    for name, charged in (("box", True), ("plain", False), ("other", False)):
        path = folder / name / "ledger.sqlite"
        ledger = Ledger(path, time.time, name)
        try:
            assert bool(list(ledger.entries(name))) == charged, name
        finally:
            ledger.close()


def check_served(
    folder: Path, running: Sequence[NodeProcess], player: Player, model: Path, begin_s: int
) -> None:
    """The model serves the box of its shape, and the others say which one they lack."""
    _, box, plain, other = running
    for process in (box, plain, other):
        put = ["model", str(model), "--home", str(process.home)]
        subprocess.run([sys.executable, "-m", "fl_client", *put], cwd=ROOT, check=True, timeout=120)
    until(lambda: box.status()["model"]["digest"], "a model that serves")
    player.play(begin_s + SECONDS, 3, KIND)
    said = until(lambda: [one for one in player.events if one], "a prediction")
    assert {"still", "moving"} >= {one["label"] for one in said}
    for process, words in ((plain, "go through none"), (other, f"go through {OTHER}")):
        wrong = until(partial(unused, process), "a model that is not used")
        assert words in wrong
        assert f"requires the shape {SHAPE}" in wrong


def unused(process: NodeProcess) -> str:
    """Why the model that was placed does not serve; empty: nothing is said of it yet."""
    return str(process.status().get("model", {}).get("trouble") or "")
