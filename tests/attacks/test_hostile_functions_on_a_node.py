"""A whole node with hostile functions: the good one and the predictions lose nothing."""

import json
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from models.tasks import wearables
from tests.support.hostile_sources import hostile_source
from tests.support.model_files import published
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PERIOD, ROWS, START, NodeProcess, expected_starts, node, wait_for
from tests.support.nodes import World as Sensors
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import promote, source_added

pytestmark = pytest.mark.long
MESSAGES, PAUSE_S, PATIENCE_S = 160, 0.05, 600.0
WINDOW_ROWS = wearables().window_shape[0]
GOOD = """
def handle(event):
    n = get("n", 0) + 1
    put("n", n)
    emit("found", {"n": n})
"""
HOSTILE = (
    "endless loop", "recursion", "a gigabyte", "a million events", "ten megabytes to remember",
    "deeper JSON", "NaN", "a file, by force", "a socket", "the clock, by force", "a process",
    "exit, by force", "much printed",
)  # fmt: skip
GAVE_UP = 10
"""Failures after which each is left out, by its own function.json."""


class Timed(Sensors):
    """Hears when each prediction came, and knows when each message was sent."""

    def __init__(self, port: int, name: str) -> None:
        self.came = dict[int, float]()
        self.sent = dict[int, float]()
        super().__init__(port, name)

    def _hear(self, client: Any, data: Any, got: Any) -> None:
        super()._hear(client, data, got)
        if got.topic.startswith("predictions/"):
            start_ns = json.loads(got.payload)["window_start_ns"]
            self.came.setdefault(start_ns, time.monotonic())

    def play(self) -> None:
        """Send all messages, one by one."""
        for number in range(MESSAGES):
            self.sent[number] = time.monotonic()
            self.send(number, number + 1)
            time.sleep(PAUSE_S)

    def p99_ms(self) -> float:
        """From a window's last reading, as it is sent, to its prediction."""
        last = {s: ((s - START) // PERIOD + WINDOW_ROWS - 1) // ROWS for s in self.came}
        found = [self.came[s] - self.sent[number] for s, number in last.items()]
        return 1000 * float(np.quantile(found, 0.99))


def options(world: World, names: list[str]) -> tuple[str, ...]:
    return (
        "functions=none", f"components.functions=[{','.join(names)}]",
        "components.sandbox={forms: [python], needs: [emit, state, log], fuel: 50000000,"
        " memory_mb: 64, functions: 16}", "function_host.seconds=60",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 0.5, jitter: 0.2}",
        "components.health={windows: 1000, more_failures: 0.5, times_slower: 1e6, ends: 1000}",
    )  # fmt: skip


def are_there(process: NodeProcess, names: list[str]) -> bool:
    """Whether a node hears its broker, has a model, and all of these functions."""
    status = process.status()
    if not status or not status["broker"]["up"] or not status["model"]["digest"]:
        return False
    return {*names} <= {*status["functions"]["failures"]}


def at_work(
    folder: Path, world: World, names: list[str], after: Any = lambda process, sensors: None
) -> float:
    """All predictions of a node with these functions, which lose nothing; their p99 in ms."""
    home = folder / ("with" if names else "without")
    home.mkdir()
    shutil.copytree(compile_runner(), home / MACHINE_CODE)
    with Mosquitto(folder / f"{home.name}-broker") as broker:
        box = node(home, broker.port, *options(world, names))
        sensors = Timed(broker.port, home.name)
        with box as process, sensors:
            process.wait(healthy=False)
            wait_for(partial(are_there, process, names), "a model and all of them", PATIENCE_S)
            sensors.play()
            wanted = expected_starts(MESSAGES)
            wait_for(lambda: sensors.starts() >= wanted, "all predictions", PATIENCE_S)
            after(process, sensors)
            return sensors.p99_ms()


def test_predictions_and_a_good_function_lose_nothing(tmp_path: Path, record_property: Any) -> None:
    world, task = World(tmp_path), wearables()
    world.created()
    model = published(tmp_path / "one.onnx", 0, task=task).read_bytes()
    promote(world, world.add(model, task.name))
    about: dict[str, Any] = {
        "limits": limits(milliseconds=20_000),
        "on_failure": {"disable_after": {"failures": GAVE_UP, "of_last": 100}},
    }
    promote(world, source_added(world, "good", GOOD, **about))
    names = [f"bad-{number}" for number in range(len(HOSTILE))]
    for name, what in zip(names, HOSTILE, strict=True):
        promote(world, source_added(world, name, hostile_source(what), **about))

    def check(process: NodeProcess, sensors: Sensors) -> None:
        """The good one has told each window once, in order; the others were left out."""

        def waits() -> int:
            return int(process.status()["functions"]["windows"]["waiting"])

        wait_for(lambda: not waits(), "all functions", PATIENCE_S)
        windows = len(expected_starts(MESSAGES))

        def told() -> list[int]:
            return [d["n"] for _, d in sensors.heard if d.get("function") == "good"]

        wait_for(lambda: len(told()) >= windows, "all of its events")
        assert told() == list(range(1, windows + 1))
        functions = process.status()["functions"]
        assert functions["failures"] == {"good": 0, **dict.fromkeys(names, GAVE_UP)}
        metrics = process.ask("/metrics")[1].decode()
        reasons = [
            line.partition('reason="')[2].partition('"')[0]
            for line in metrics.splitlines()
            if line.startswith("fl_client_function_host_starts_total{")
        ]
        assert {*reasons} <= {"first", "check"}, "no call has ended the process that all share"

    without = at_work(tmp_path, world, [])
    beside = at_work(tmp_path, world, ["good", *names], check)
    record_property("p99 of predictions in ms, without functions", round(without, 1))
    record_property("p99 of predictions in ms, with hostile ones", round(beside, 1))
    sys.stdout.write(f"p99 of predictions: {without:.1f} ms; with hostile ones {beside:.1f} ms\n")
