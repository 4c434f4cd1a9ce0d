"""What an image holds, and what it does not."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.boxes import box_in, takes_as_stated
from tests.support.docker import Engine
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World, expected_starts, place_model, wait_for
from tests.support.sources import ROOT

pytestmark = pytest.mark.timeout(1800)  # the first one waits for the images
MESSAGES = 100
IMAGES = ("edge", "edge-train", "cloud", "broker", "player", "serve")
BUILDING = ("gcc", "cc", "ld", "make", "git", "curl", "wget", "pip", "pip3", "uv")
_DOCS = (ROOT / "docs" / "how-to" / "containers.md").read_text("utf-8")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_special_with_a_health_check(engine: Engine, name: str) -> None:
    (found,) = json.loads(engine.out("docker", "inspect", f"join-the-dots-{name}"))
    assert int(found["Config"]["User"]) >= 10000
    assert found["Config"]["Healthcheck"]["Test"]
    assert set(found["Config"]["Volumes"]) == {"/data"}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_nothing_to_build_or_install_with(engine: Engine, name: str) -> None:
    look = f"for name in {' '.join(BUILDING)}; do command -v $name; done; true"
    line = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh")
    assert engine.out(*line, f"join-the-dots-{name}", "-c", look) == ""
    pip = (f"join-the-dots-{name}", "-c", "python3 -m pip --version")
    assert engine.run(*line, *pip, check=False).returncode != 0


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_as_large_as_the_documentation_says(engine: Engine, name: str) -> None:
    stated = re.search(rf"^\| `join-the-dots-{name}` \|.*\| ([\d.]+) GB \|$", _DOCS, re.MULTILINE)
    assert stated is not None
    size = int(engine.out("docker", "inspect", "-f", "{{.Size}}", f"join-the-dots-{name}"))
    assert size / 1e9 == pytest.approx(float(stated[1]), rel=0.1)


def test_torch_has_no_cuda(engine: Engine) -> None:
    assert python(engine, "edge-train", "import torch; print(torch.version.cuda)") == "None"


@pytest.mark.parametrize("package", ["flwr", "onnx", "opacus", "scipy", "torch"])
def test_the_small_box_has_nothing_that_trains(engine: Engine, package: str) -> None:
    code = f"import importlib.util as u; print(u.find_spec({package!r}))"
    assert python(engine, "edge", code) == "None"


def python(engine: Engine, name: str, code: str) -> str:
    line = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python")
    return engine.out(*line, f"join-the-dots-{name}", "-c", code)


def test_a_box_needs_the_memory_that_the_documentation_says(engine: Engine, tmp_path: Path) -> None:
    stated = re.search(r"(\d+) MB at rest and (\d+) MB at\s+ten\s+messages a second", _DOCS)
    assert stated is not None
    rest, busy = (float(number) for number in stated.groups())
    home = tmp_path / "box"
    with Mosquitto(tmp_path / "broker") as broker:
        with box_in(engine, "join-the-dots-edge", home, broker.port) as box:
            wait_for(lambda: box.status().get("broker", {}).get("connected"), "a connected box")
            assert takes_as_stated(found := box.resident_mb(), rest), found
        place_model(home)
        with (
            box_in(engine, "join-the-dots-edge", home, broker.port) as box,
            World(broker.port, "box") as world,
        ):
            wait_for(lambda: box.status() and not box.status()["wrong"], "a box that is ready")
            send_steadily(world)
            wait_for(lambda: world.starts() >= expected_starts(MESSAGES), "predictions")
            assert takes_as_stated(found := box.resident_mb(), busy), found


def send_steadily(world: World) -> None:
    """``MESSAGES`` messages, ten a second."""
    for number in range(MESSAGES):
        world.send(number, number + 1)
        time.sleep(0.1)
