"""Each kind of task on a real box: sensed, told, trained on, evaluated, published, and served."""

import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from omegaconf import OmegaConf
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.ledger.ledger import Ledger
from fl_client.site.shortfalls import FILE, read_shortfalls
from fl_server.cloud import commands
from fl_server.cloud.build import read_config
from models.metadata import read_metadata
from tests.deployed.fleet import PACE, Cloud, until
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess
from tests.support.sources import ROOT

RATE, ROWS, STEP, SECONDS = 50, 16, 8, 120
TURN = 10
"""Seconds after which the machine goes from rest to motion, or back."""
PIECE = {"piece_s": 10, "every": 3}


@dataclass(frozen=True)
class Kind:
    """What a task declares, and what a box gets and gives for it.

    ``label`` is what a person tells of the seconds from rest (0) or motion (1); None: nothing.
    """

    declares: Mapping[str, Any]
    net: str
    measure: str
    told: frozenset[str]
    shared: int
    """Windows of the box that share a reading."""
    label: Callable[[int], Any] | None = None
    guess: str = "accuracy"
    """The measure by which a guess stands beside the model."""
    charged: Mapping[str, int] = field(default_factory=lambda: {"training": 2, "evaluation": 2})


KINDS = {
    "regression": Kind(
        {"range": [0, 50], "unit": "Cel"},
        "scale_free",
        "mae",
        frozenset({"value", "unit"}),
        shared=3,
        guess="r2",
        label=lambda is_moving: 40.5 if is_moving else 10,
    ),
    "quantile": Kind(
        {"kind": "regression", "range": [0, 50], "unit": "Cel", "quantile": 0.9},
        "scale_free",
        "pinball",
        frozenset({"value", "unit"}),
        shared=3,
        label=lambda is_moving: 40.5 if is_moving else 10,
        guess="pinball",
    ),
    "multilabel": Kind(
        {"labels": ["hot", "loud", "wet"]},
        "scale_free",
        "window_f1",
        frozenset({"labels", "probabilities"}),
        shared=3,
        guess="macro_f1",
        label=lambda is_moving: ["hot", "loud"] if is_moving else [],
    ),
    "sequence": Kind(
        {"labels": ["still", "moving"]},
        "labeller",
        "accuracy",
        frozenset({"runs"}),
        shared=3,
        label=lambda is_moving: "moving" if is_moving else "still",
    ),
    "forecast": Kind(
        {"horizon": 8},
        "autoregressive",
        "scaled_error",
        frozenset({"forecast", "seconds_ahead"}),
        shared=4,
        guess="scaled_error",
    ),
    "anomaly": Kind(
        {"quantile": 0.9},
        "autoencoder",
        "score_error",
        frozenset({"score", "threshold", "anomalous"}),
        shared=3,
        guess="auroc",
        label=lambda is_moving: "anomaly" if is_moving else "normal",
        charged={"training": 2, "evaluation": 2, "threshold": 1},
    ),
}


class Player:
    """The machine's sensor, and a person who tells of it."""

    def __init__(self, port: int) -> None:
        self.events: list[Mapping[str, Any]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, got: self.events.append(
            json.loads(got.payload)
        )
        self._client.on_connect = lambda client, *_: client.subscribe("predictions/#", 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected, "a broker")

    def say(self, topic: str, what: Any) -> None:
        self._client.publish(topic, json.dumps(what), 1).wait_for_publish(60)

    def play(self, begin_s: int, seconds: int, kind: Kind) -> None:
        for second in range(seconds):
            is_moving = second // TURN % 2
            rows = range(second * RATE, (second + 1) * RATE)
            size = 0.2 + is_moving
            self.say(
                "sensors/box/machine",
                [
                    {
                        "t": begin_s * 10**9 + row * 10**9 // RATE,
                        "v": [size * math.sin(row / 4), size * math.cos(row / 7) + is_moving],
                    }
                    for row in rows
                ],
            )
            if kind.label is not None and second % TURN == TURN - 1:
                ends = {"from": begin_s + second + 1 - TURN, "to": begin_s + second + 1}
                self.say("labels/box", {**ends, "label": kind.label(is_moving)})

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def task_of(name: str, kind: Kind) -> dict[str, Any]:
    return {
        "_target_": "models.tasks.declared",
        "name": "machine",
        "channels": ["x", "y"],
        "units": ["g", "g"],
        "rate_hz": RATE,
        "window_shape": [ROWS, 2],
        "labels": [],
        "center": [0.0, 0.0],
        "scale": [1.0, 1.0],
        "windows_per_reading": 2,
        "kind": name,
        **kind.declares,
    }


def box_file(folder: Path, task: Mapping[str, Any]) -> Path:
    channels = [{"name": name, "field": f"v.{n}", "unit": "g"} for n, name in enumerate("xy")]
    decoder = {"_target_": "fl_client.sensors.decoders.json.JsonDecoder", "time": "t"}
    sensor = {
        "_target_": "fl_client.sensors.sensor.Sensor",
        "topic": "sensors/box/machine",
        "rate_hz": RATE,
        "decoder": {**decoder, "time_unit": "ns", "id": None},
        "channels": channels,
    }
    values = {
        "defaults": [
            "node",
            {"override sensors": "none"},
            {"override functions": "none"},
            "_self_",
        ],
        "task": dict(task),
        "sensors": {"machine": sensor},
        "annotations": {"time_unit": "s"},
        "windows": {"step": STEP, "longest_gap_s": 0.04},
        "held_out": PIECE,
        "retention": {"days": 2},
        "federation": {"pace": PACE},
    }
    OmegaConf.save(OmegaConf.create(values), path := folder / "box.yaml")
    return path


def node_of(folder: Path, port: int, *words: str) -> NodeProcess:
    made = NodeProcess(folder / "box", port, *words, config=folder / "box.yaml")
    made.start()
    return made


@pytest.mark.parametrize("name", KINDS)
def test_a_box_trains_on_what_it_senses_and_serves_what_is_learnt(
    alone: None, tmp_path: Path, name: str
) -> None:
    kind = KINDS[name]
    task, home = task_of(name, kind), tmp_path / "box"
    box_file(tmp_path, task)
    cloud = cloud_of(tmp_path, task, kind)
    begin_s = int(time.time()) - 2 * SECONDS
    running = list[NodeProcess]()
    with Mosquitto(tmp_path / "broker") as broker:
        player = Player(broker.port)
        try:
            sense(
                tmp_path, running, broker.port, partial(player.play, begin_s, SECONDS, kind), kind
            )
            cloud.start()
            model = published(cloud, tmp_path, running, broker.port)
            assert charged(home) == kind.charged
            row = cloud.newest()
            assert (row["updates"], row["refusals"]) == (1, {})
            told = row["on_sites"]["metrics"]
            assert math.isfinite(told[kind.measure])
            assert math.isfinite(told[f"{kind.guess}_of_guess"])
            assert not read_shortfalls(home / FILE)
            assert read_metadata(model.read_bytes()).kind.name == task["kind"]
            put = [sys.executable, "-m", "fl_client", "model", str(model), "--home", str(home)]
            subprocess.run(put, cwd=ROOT, check=True, timeout=120)
            player.play(begin_s + SECONDS, 3, kind)
            until(lambda: player.events, "a prediction")
            if kind.label is not None:
                until(lambda: running[-1].status()["accuracy"]["judged"], "what was told, compared")
        finally:
            player.close()
            end(running, cloud)
    assert kind.told <= {*player.events[-1]}


def cloud_of(folder: Path, task: Mapping[str, Any], kind: Kind) -> Cloud:
    changes = {
        "task": task,
        "rounds": 2,
        "sites": 1,
        "privacy": {"site_windows": 400, "windows_per_reading": kind.shared},
        "evaluation": {"every": 1, "epsilon": 8.0},
    }
    return Cloud(folder, changes, net=kind.net, evaluation="federated")


def sense(
    folder: Path, running: list[NodeProcess], port: int, play: Callable[[], None], kind: Kind
) -> None:
    """Let a box without a server take in what is played, and stop it."""
    running.append(box := node_of(folder, port))
    box.wait(healthy=False)
    until(lambda: box.status()["broker"]["up"], "a box with a broker")
    play()
    counted = "kept" if kind.label is None else "labelled"
    until(lambda: box.status()["windows"][counted] > 600, f"windows that are {counted}")
    box.stop()


def end(running: Sequence[NodeProcess], cloud: Cloud) -> None:
    for process in running:
        if process.process.poll() is None:
            process.kill()
    if cloud.process.popen is not None:
        cloud.process.kill()


def published(cloud: Cloud, folder: Path, running: list[NodeProcess], port: int) -> Path:
    """The model of a run of the box, which takes part from now on."""
    told = commands.enroll(read_config(cloud.config, []), "box", "site", None)
    running.append(node_of(folder, port, *(line for line in told if line.startswith("federation"))))
    model = cloud.home / "runs" / "first" / "model.onnx"
    until(model.is_file, "the model of the run")
    return model


def charged(home: Path) -> Counter[str]:
    """How many rounds of training, and of what else, are in the ledger."""
    ledger = Ledger(home / "ledger.sqlite", time.time, "box")
    try:
        rounds = {(entry.run, entry.round) for entry in ledger.entries("box")}
    finally:
        ledger.close()
    return Counter(_kind_of(run) for run, _ in rounds)


def _kind_of(run: str) -> str:
    if run.endswith("-threshold"):
        return "threshold"
    return run.split("/")[1] if "/" in run else "training"
