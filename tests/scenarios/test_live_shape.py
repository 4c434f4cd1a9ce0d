"""A play whose windows go through a shape: boxes answer what the model says of those of the run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.task_checks import one_call
from models.kinds import kind_of
from simulate.configuration.composition import configure, resolved
from simulate.world.build import open_world, world_yaml
from tests.support.mosquitto import Mosquitto
from tests.support.sources import ROOT

pytestmark = pytest.mark.long
PATIENCE = 600.0  # seconds
SHAPE = ROOT / "functions" / "downsampling"


def test_what_is_heard_is_what_the_model_says_of_shaped_windows(tmp_path: Path) -> None:
    Mosquitto(tmp_path)  # skips where there is none
    small = ("rounds=1", "sites=2", "engine.sites=2", "engine.speed=20", "engine.seconds=3")
    folder, words = tmp_path / "run", ("privacy=none", "net=logistic", f"shape={SHAPE}")
    command = [sys.executable, "-m", "simulate", "engine=live", *words, *small]
    done = subprocess.run(
        [*command, f"hydra.run.dir={folder}"], capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    world = open_world(world_yaml(resolved(configure("sites=2", f"shape={SHAPE}"))))
    test, labels = world.test(), world.task.labels
    model = OnnxModel((folder / "model.onnx").read_bytes(), 1)
    lines = [json.loads(x) for x in (folder / "live" / "predictions.jsonl").open()]
    for site in json.loads((folder / "live" / "summary.json").read_text("utf-8")):
        assert site["windows"] == site["predictions"] > 5
        group = test.groups.index(site["site"])
        windows = test.windows.take(test.group_of == group)
        best_N = one_call(model, kind_of(world.task), windows.values).argmax(1)
        expected = [(labels[k], labels[t]) for k, t in zip(best_N, windows.labels, strict=True)]
        heard = [(one["said"], one["truth"]) for one in lines if one["site"] == site["site"]]
        assert heard == [expected[n % len(expected)] for n in range(len(heard))]


def test_a_rehearsal_plants_windows_as_the_shape_leaves_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulate", "egress", f"shape={SHAPE}", "rounds=1", "sites=9"]
    done = subprocess.run(
        [*command, "privacy.epsilon=50", f"hydra.run.dir={tmp_path / 'run'}"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Clean" in done.stdout
    world = open_world(world_yaml(resolved(configure(f"shape={SHAPE}"))))
    assert world.task.shape is not None
    found = json.loads((tmp_path / "run" / "egress.json").read_text("utf-8"))
    assert found["shape"] == str(world.task.shape)
