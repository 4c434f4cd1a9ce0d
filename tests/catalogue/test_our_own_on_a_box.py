"""Our own networks of the catalogue, from a message over a broker to the right prediction."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from fl_client.windows.grid import Grid
from fl_common.plugins.build import build
from fl_common.vocabulary import Task
from fl_server.repository.catalogue.shelf import recipes
from tests.support.listening import repository_with, stamped
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, START, NodeProcess, World, wait_for

PLAIN = [f"c{number}" for number in range(6)]
NAMES = [*(f"acc_{axis}" for axis in "xyz"), *(f"gyro_{axis}" for axis in "xyz")]
UNITS = ["g"] * 3 + ["rad/s"] * 3
UNUSUAL: dict[str, Any] = {
    "_target_": "models.tasks.declared", "name": "unusual-motion", "channels": PLAIN,
    "units": ["1"] * 6, "rate_hz": 50, "window_shape": [128, 6], "labels": [],
    "center": [0] * 6, "scale": [1] * 6, "windows_per_reading": 2, "kind": "anomaly",
    "quantile": 0.95,
}  # fmt: skip
WEARABLES: dict[str, Any] = {"_target_": "models.tasks.wearables"}


def configuration(folder: Path, name: str) -> dict[str, Any]:
    """A box with a watch, whose model is the network ``name``."""
    task, columns, units = WEARABLES, NAMES, UNITS
    if name == "unusual-motion":
        task, columns, units = UNUSUAL, PLAIN, ["1"] * 6
    repository = folder / "repository"
    channels = [
        {"name": one, "field": one, "unit": unit} for one, unit in zip(columns, units, strict=True)
    ]
    decoder = {"_target_": "fl_client.sensors.decoders.raw.RawDecoder", "columns": columns,
               "type": "float32", "rate_hz": 50, "byte_order": "little",
               "time": "stamp"}  # fmt: skip
    return {
        "defaults": [
            "node", "_self_", {"override sensors": "none"}, {"override functions": "none"},
        ],
        "task": task,
        "annotations": None,
        "sensors": {
            "watch": {"_target_": "fl_client.sensors.sensor.Sensor", "topic": "sensors/box/watch",
                      "rate_hz": 50, "decoder": decoder, "channels": channels},
        },
        "components": {
            "source": f"{repository}", "root": f"{repository / 'metadata' / '1.root.json'}",
            "model": name, "functions": [*recipes()[name].functions],
        },
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["shoulder-exercises", "shoulder-exercises-cnn1d", "unusual-motion"]
)
def test_a_box_predicts_what_the_worked_example_says(tmp_path: Path, name: str) -> None:
    repository_with(tmp_path, name)
    config = configuration(tmp_path, name)
    file = tmp_path / "box.yaml"
    file.write_text(yaml.safe_dump(config))
    values_TC = np.load(recipes()[name].example)["values"][0]
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "box") as world:
        node = NodeProcess(tmp_path / "box", broker.port, config=file)
        node.start()
        try:
            node.wait()
            start_ns = _window(build(config["task"]))
            payload = stamped(start_ns, values_TC.astype("<f4"))
            sent = world._client.publish("sensors/box/watch", payload, 1)
            sent.wait_for_publish(PATIENCE)
            wait_for(lambda: start_ns in world.starts(), "the prediction")
            (told,) = [data for topic, data in world.heard if topic == "predictions/box"]
            assert told["model"] == recipes()[name].origin.sha256
            if name == "unusual-motion":
                assert told["score"] > max(0.2, told["threshold"])
            else:
                assert told["label"] == "ROW"
        finally:
            node.kill()


def _window(task: Task) -> int:
    """The start of a window."""
    from fl_client.windows import Slicing

    grid = Grid(task, Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0))
    return grid.start_of(grid.index_at(START) + 1)
