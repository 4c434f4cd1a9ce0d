"""A whole node as a process follows a repository: production acts, the candidate is counted."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.components.build import build_updates
from fl_client.components.context import NodeContext
from fl_client.configuration import read_config
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.label_change import LabelChange
from fl_client.inference.slots import ModelSlot
from fl_common.components.description import Component
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from models.tasks import wearables
from tests.support.function_hosts import functions_of
from tests.support.model_files import published
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World as Sensors
from tests.support.nodes import expected_starts, node, wait_for
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import function_added, promote, source_added

MESSAGES = 40
PATIENT = limits(milliseconds=10_000)
"""Time for a call on a machine that does much else: a window is given to a function once."""
COUNTS = """
def handle(event):
    seen = get("seen", 0) + 1
    put("seen", seen)
    emit("found", {"seen": seen, "label": event.label, "kind": event.kind})
"""


ASKS = """
def handle(event):
    width = len(event.channels)
    answers = infer(event.values, [1, len(event.values) // width, width])
    emit("found", {"start_ns": event.start_ns, "answers": answers})
"""


def check_asked(found: list[dict[str, Any]], predictions: list[dict[str, Any]]) -> None:
    """What the function was answered of a window is what the box predicted."""
    predicted = {one["window_start_ns"]: one["probabilities"].values() for one in predictions}
    assert found
    for one in found:
        told = predicted.get(one["start_ns"])
        assert told is None or np.allclose(one["answers"], [*told], atol=1e-3)
    assert any(one["start_ns"] in predicted for one in found)


def check_counts(found: list[dict[str, Any]]) -> None:
    """What the function in a sandbox told: each window once, in order."""
    assert [data["seen"] for data in found] == list(range(1, len(found) + 1))
    assert found[0]["kind"] == "classification"


def following(world: World, *functions: str) -> tuple[str, ...]:
    """What lets a testing site follow the world's repository, with a sandbox for one function."""
    return (
        "functions=none",
        f"components.functions=[{','.join(functions)}]",
        "components.sandbox={forms: [python], needs: [emit, state, log, infer],"
        " fuel: 50000000, memory_mb: 64, functions: 2}",
        "function_host.seconds=20",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.stage=testing",
        "components.poll={every_s: 0.5, jitter: 0.2}",
        "components.health={windows: 1, more_failures: 0.05, times_slower: 1e6, ends: 3}",
    )


def functions_in(world: World) -> list[Component]:
    """In production: an installed class, source that counts, and source that asks the model."""
    task = wearables()
    asks = {"on": [{"window": task.name}], "needs": ["emit", "infer"]}
    functions = [
        function_added(world, arguments={"windows": 1}, labels=list(task.labels)),
        source_added(world, "counts", COUNTS, limits=PATIENT),
        source_added(world, "asks", ASKS, limits=PATIENT, **asks),
    ]
    for function in functions:
        promote(world, function)
    return functions


def test_a_node_takes_tries_and_keeps_what_production_has(tmp_path: Path) -> None:
    world, task = World(tmp_path), wearables()
    world.created()
    first = world.add(published(tmp_path / "one.onnx", 0, task=task).read_bytes(), task.name)
    promote(world, first)
    second = world.add(published(tmp_path / "two.onnx", 1, task=task).read_bytes(), task.name)
    functions = functions_in(world)
    shutil.copytree(compile_runner(), tmp_path / "box" / MACHINE_CODE)
    overrides = following(world, *(one.name for one in functions))
    with Mosquitto(tmp_path / "broker") as broker:
        box = node(tmp_path / "box", broker.port, *overrides)
        with box as process, Sensors(broker.port, "box") as sensors:
            process.wait(healthy=False)

            def components() -> Any:
                return process.status()["components"]

            wait_for(lambda: components()["shadow"]["candidate"] == second.digest[:16], "shadow")
            wait_for(lambda: components()["functions"]["counts"]["trial"], "source on trial")
            sandboxed = {"counts", "asks"}
            wait_for(lambda: sandboxed <= {*process.status()["functions"]["failures"]}, "they run")
            process.wait()  # a model serves: of windows before that nothing can be asked
            sensors.send(0, MESSAGES)
            wait_for(lambda: sensors.starts() >= expected_starts(MESSAGES), "predictions")
            wait_for(
                lambda: [v["version"] for v in components()["good"]] == ["1"], "a good version"
            )
            wait_for(lambda: components()["shadow"]["windows"] > 0, "windows in the shadow")
            assert components()["shadow"]["agreement"] == 0.0
            said = [data for topic, data in sensors.heard if topic == "predictions/box"]
            assert {data["model"] for data in said} == {first.files[0].sha256}

            def happened() -> set[str]:
                return {data["function"] for topic, data in sensors.heard if topic == "events/box"}

            names = {one.name for one in functions}
            assert wait_for(lambda: happened() == names and names, "events of all") == names
            check_counts([d for _, d in sensors.heard if d.get("function") == "counts"])
            check_asked([d for _, d in sensors.heard if d.get("function") == "asks"], said)
            metrics = process.ask("/metrics")[1].decode()
            for component in (first, second, *functions):
                assert f'component_info{{component="{component.digest[:16]}"' in metrics
            assert 'updates_total{kind="function",name="steps",result="taken"} 1.0' in metrics


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"root": None}, "is missing"),
        ({"root": "absent.json"}, "can't be read"),
        ({"ca_file": "absent.crt"}, "is not a file"),
        ({"stage": "canary"}, "production or testing"),
        ({"poll": {"every_s": 0, "jitter": 0}}, "above 0"),
        ({"functions": ["alarm"]}, "a function of the configuration"),
        ({"health": {"windows": 0, "more_failures": 0, "times_slower": 2, "ends": 1}}, "from 1"),
    ],
)
def test_a_configuration_that_can_not_be_followed_is_refused(
    change: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    config = read_config(None, [])
    root = tmp_path / "root.json"
    root.write_text("{}")
    part = {**config["components"], "source": "https://example.org", "root": str(root), **change}
    slot = ModelSlot(tmp_path / "slots" / "model")
    functions = functions_of({"alarm": partial(LabelChange, 1)}, 3)
    engine = config["engine"]
    box = NodeContext("box", tmp_path, wearables(), slot, engine, functions, 1.0, Troubles())
    with pytest.raises(InvalidConfiguration, match=rule):
        build_updates(part, box)
