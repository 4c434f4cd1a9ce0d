"""What an image holds, and what it does not."""

import json
import re

import pytest

from tests.containers.engine import Engine
from tests.support.sources import ROOT

pytestmark = pytest.mark.timeout(1800)  # the first one waits for the images
IMAGES = ("edge", "cloud", "broker", "player")
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
    line = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python")
    assert (
        engine.out(*line, "join-the-dots-edge", "-c", "import torch; print(torch.version.cuda)")
        == "None"
    )
