"""A shape before the model, on a whole node: fetched, worked through, changed, and required."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.home import STORE
from fl_client.shapes.held import offered_task
from fl_client.store.window_reading import read_all
from fl_client.windows import Slicing
from fl_common.components.description import Component
from fl_common.vocabulary import Task
from models.tasks import wearables
from models.tasks.shaped import with_shape
from tests.support.model_files import published
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PERIOD, START, NodeProcess, node, wait_for
from tests.support.nodes import World as Sensors
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner
from tests.support.sites import promote, source_added

pytestmark = pytest.mark.long
MESSAGES = 40
TASK = wearables()
SHAPE = "halves"
SHAPED = {"world": "shape", "on": [{"window": "*"}], "needs": [], "emits": {}}
HALVES = """
def transform(window):
    channels = len(window.channels)
    rows = len(window.values) // channels // 2
    window.values = [
        (window.values[2 * row * channels + c] + window.values[(2 * row + 1) * channels + c]) / 2
        for row in range(rows) for c in range(channels)
    ]
    return window
"""
SLICING = Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)


def halves_added(world: World, plus: float = 0.0) -> tuple[Component, Task]:
    """A version of the shape in testing, whose settings decide nothing; and the task with it."""
    component = source_added(world, SHAPE, HALVES, settings={"version": plus}, **SHAPED)
    from fl_common.functions.shape import digest_of

    return component, with_shape(TASK, SHAPE, digest_of(world.folder / "function"), 64)


def model_added(world: World, task: Task, answer: int) -> Component:
    """A model for ``task`` in testing that answers every window alike."""
    path = published(world.folder / f"{answer}.onnx", answer, task=task)
    return world.add(path.read_bytes(), TASK.name)


def following(world: World) -> tuple[str, ...]:
    """What lets a site follow the world's repository, with a shape."""
    return (
        "functions=none",
        f"windows.shape={SHAPE}",
        "components.sandbox={forms: [python], needs: [], fuel: 50000000, memory_mb: 64,"
        " functions: 1}",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 0.5, jitter: 0.2}",
    )


@dataclass
class Site:
    """A node with a shape, its sensors, and its repository."""

    world: World
    process: NodeProcess
    sensors: Sensors

    def shape(self) -> dict[str, Any]:
        return dict(self.process.status()["shape"])

    def models(self) -> set[str]:
        """The models of the predictions that were heard."""
        said = [data for topic, data in self.sensors.heard if topic == "predictions/box"]
        return {data["model"] for data in said}

    def wrong(self) -> str:
        return json.dumps(self.process.status()["wrong"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    world = World(tmp_path)
    world.created()
    shutil.copytree(compile_runner(), tmp_path / "box" / MACHINE_CODE)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        node(tmp_path / "box", broker.port, *following(world)) as process,
        Sensors(broker.port, "box") as sensors,
    ):
        process.wait(healthy=False)
        wait_for(lambda: process.status()["broker"]["up"], "a node with its broker")
        yield Site(world, process, sensors)


def stored(home: Path, task: Task) -> dict[int, bytes]:
    """The windows of a cut in a box's store, by their starts."""
    kept = read_all(home / STORE, task, SLICING)
    values = [one.tobytes() for one in kept.values_NTC]
    return dict(zip(kept.starts_N.tolist(), values, strict=True))


def raw_window(start_ns: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the sensor measured in a window (``tests.support.nodes.message``)."""
    times = (start_ns - START) / PERIOD / 50 + np.arange(128) / 50
    return np.sin(times[:, None] * np.arange(1, 7)).astype(np.float32)


def test_windows_wait_for_the_shape_and_a_new_one_comes_with_its_model(site: Site) -> None:
    world, home = site.world, site.process.home
    site.sensors.send(0, MESSAGES)
    wait_for(lambda: site.shape()["windows"]["waiting"] > 5, "windows that wait for a shape")
    assert "windows wait for one" in site.wrong()
    halves, first = halves_added(world)
    model = model_added(world, first, 1)
    promote(world, model)
    wait_for(lambda: "requires the shape halves" in site.wrong(), "a model that waits")
    promote(world, halves)
    wait_for(lambda: site.models() == {model.files[0].sha256}, "predictions of shaped windows")
    wait_for(lambda: site.shape()["windows"]["waiting"] == 0, "no window that waits")
    check_halves(stored(home, first))

    second_shape, second = halves_added(world, plus=1.0)
    promote(world, second_shape)
    wait_for(lambda: offered_task(SHAPE, TASK, home) == second, "the new version")
    numbers = count(MESSAGES)

    def made_anew() -> dict[int, bytes]:  # windows before the box takes it up are made by the first
        site.sensors.send(number := next(numbers), number + 1)
        return stored(home, second)

    wait_for(made_anew, "windows of the new shape, for training")
    assert site.models() == {model.files[0].sha256}, "the model keeps the shape that it requires"
    other = model_added(world, second, 2)
    promote(world, other)
    wait_for(lambda: site.process.status()["model"]["digest"] == other.files[0].sha256, "a swap")
    site.sensors.send(number := next(numbers), number + MESSAGES)
    wait_for(lambda: other.files[0].sha256 in site.models(), "predictions of the new model")
    counts = site.shape()["windows"]
    assert counts["put"] == counts["made"] + counts["waiting"] + sum(counts["dropped"].values())
    check_halves(stored(home, second))


def check_halves(windows: dict[int, bytes]) -> None:
    """The windows are the means of pairs of what the sensor sent, to the last bit."""
    assert windows
    for start, content in windows.items():
        pairs = raw_window(start).astype(np.float64).reshape(64, 2, 6)
        wanted = ((pairs[:, 0] + pairs[:, 1]) / 2).astype(np.float32)
        found = np.frombuffer(content, np.float32).reshape(64, 6)
        np.testing.assert_allclose(found, wanted, atol=1e-5)
