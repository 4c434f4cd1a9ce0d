"""A box on 64-bit ARM, emulated: from a sensor's message to what this machine would predict."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models import tasks
from models.export import TOLERANCE
from models.onnx.golden import golden_windows, open_model
from tests.arm64.models import SEED, place_network, published
from tests.support.boxes import ContainerBox, give
from tests.support.docker import Engine
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World, expected_starts, node, wait_for
from tests.support.sources import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # the first waits for the image
IMAGE = "join-the-dots-edge:arm64"
MESSAGES, WINDOWS = 80, 64
NETS = ("cnn1d", "features", "gru", "logistic", "mlp")
ABSENT = ("flwr", "onnx", "opacus", "scipy", "torch")
_PREDICT = f"""
from pathlib import Path
import numpy as np
from models import tasks
from models.onnx.golden import golden_windows, open_model
windows = golden_windows(tasks.wearables(), {WINDOWS}, {SEED})
folder = Path("/data/site/golden")
models = {{p.stem: open_model(p.read_bytes()) for p in folder.glob("*.onnx")}}
given = {{"values": windows}}
answers = {{name: model.run(["probabilities"], given)[0] for name, model in models.items()}}
np.savez(folder / "answers.npz", windows=windows, **answers)
"""


def test_it_is_of_arm_and_has_nothing_that_trains(box: ContainerBox) -> None:
    found = json.loads(
        box.python(
            "import importlib.util as u, json, platform, sys;"
            "print(json.dumps([platform.machine(), [n for n in sys.argv[1:] if u.find_spec(n)]]))",
            *ABSENT,
        )
    )
    assert found == ["aarch64", []]


@pytest.fixture(scope="module")
def golden(box: ContainerBox, arm_home: Path) -> dict[str, NDArray[np.float32]]:
    """The box's probabilities for the golden windows by each network, and the windows."""
    folder = arm_home / "golden"
    folder.mkdir()
    for name in NETS:
        published(name, folder / f"{name}.onnx")
    give(folder)
    box.python(_PREDICT)
    with np.load(folder / "answers.npz") as answers:
        return dict(answers)


@pytest.mark.parametrize("name", NETS)
def test_each_network_says_the_same_of_golden_windows(
    golden: dict[str, NDArray[np.float32]], arm_home: Path, name: str
) -> None:
    windows = golden_windows(tasks.wearables(), WINDOWS, SEED)
    assert golden["windows"].tobytes() == windows.tobytes()
    content = (arm_home / "golden" / f"{name}.onnx").read_bytes()
    (here,) = open_model(content).run(["probabilities"], {"values": windows})
    assert here.std() > 0.01
    np.testing.assert_allclose(golden[name], here, rtol=0, atol=TOLERANCE)


def test_a_message_becomes_the_prediction_of_this_machine(
    box: ContainerBox, broker: Mosquitto, tmp_path: Path
) -> None:
    home = tmp_path / "native"
    place_network(home, "features")
    with node(home, broker.port) as process, World(broker.port, "arm") as world:
        process.wait()
        with World(broker.port, "native") as sensor:
            sensor.send(0, MESSAGES)
        world.send(0, MESSAGES)
        arm = predicted(world, "arm")
        native = predicted(world, "native")
    assert box.status()["messages"]["lost"] == {}
    assert len({values["ABD"] for values in native.values()}) > 1
    assert arm.keys() == native.keys()
    for start, probabilities in native.items():
        assert arm[start] == pytest.approx(probabilities, abs=TOLERANCE)


def test_its_image_is_as_large_as_the_documentation_says(engine: Engine) -> None:
    text = (ROOT / "docs" / "how-to" / "containers.md").read_text("utf-8")
    stated = re.search(r"The image has ([\d.]+) GB", text)
    assert stated is not None
    found = engine.out("docker", "inspect", "-f", "{{.Architecture}} {{.Size}}", IMAGE).split()
    assert found[0] == "arm64"
    assert int(found[1]) / 1e9 == pytest.approx(float(stated[1]), rel=0.1)


def test_its_health_check_passes(box: ContainerBox) -> None:
    wait_for(lambda: box.health() == "healthy", "the health check")


def predicted(world: World, name: str) -> dict[int, dict[str, float]]:
    """The probabilities of the label of each window, once all are predicted."""

    def heard() -> dict[int, dict[str, float]]:
        told = [data for topic, data in world.heard if topic == f"predictions/{name}"]
        return {data["window_start_ns"]: data["probabilities"] for data in told}

    wait_for(lambda: heard().keys() >= expected_starts(MESSAGES), f"predictions of {name}")
    return heard()
