"""The stacks' files hold what they promise, whether or not an engine is here to run them."""

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.support.sources import ROOT

STACKS = ROOT / "stacks"
DOCKERFILES = sorted(STACKS.glob("*/Dockerfile"))
BUILDING = ("gcc", "build-essential", "python3-dev", "git", "curl", "wget")


def services() -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(STACKS / "compose.yaml"), resolve=False)
    assert isinstance(values, dict)
    return dict(values["services"])


def last_stage(text: str) -> str:
    return text[text.rindex("\nFROM ") :]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_has_a_base_to_choose_and_runs_as_nobody_special(path: Path) -> None:
    text = path.read_text()
    final = last_stage(text)
    assert re.search(r"^ARG BASE=", text, re.MULTILINE)
    users = re.findall(r"^USER (\S+)", final, re.MULTILINE)
    if path.parent.name == "edge-train":  # a layer on a box, whose user and health check it keeps
        assert users == []
    else:
        assert users[-1] not in ("root", "0")
        assert "HEALTHCHECK" in final
    assert not any(re.search(rf"\b{name}\b", final) for name in BUILDING)
    assert "pip install" not in final


def test_every_service_has_a_read_only_root_and_keeps_its_state_in_a_volume() -> None:
    named = services()
    assert set(named) == {"broker", "cloud", "edge-a", "edge-b", "edge-c", "player"}
    for name, service in named.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert f"{name}:/data" in service["volumes"], name
        assert service["restart"] == "unless-stopped", name


def test_a_box_reads_its_key_and_cannot_change_it() -> None:
    for name, service in services().items():
        if name.startswith("edge-"):
            assert "keys:/keys:ro" in service["volumes"]
            assert f"federation.key_file=/keys/{name}/{name}.key" in service["command"]
