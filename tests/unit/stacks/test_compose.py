"""The stacks' files hold what they promise, whether or not an engine is here to run them."""

import re
import subprocess
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


def test_a_box_keeps_its_key_in_its_own_volume_and_reads_the_authority() -> None:
    for name, service in services().items():
        if name.startswith("edge-"):
            assert set(service["volumes"]) == {f"{name}:/data", "keys:/keys:ro"}
            assert f"federation.key_file=/data/{name}.key" in service["command"]
            assert f"federation.ca_file=/keys/{name}/authority.crt" in service["command"]


STUB = """\
#!/bin/sh
# In place of docker-compose: the boxes' and the cloud's folders are folders here.
case "$1 $2" in
  "run --rm") site=$7; shift 8; words=$1; data={folder}/$site ;;
  "exec -T") shift 5; words=$1; data={folder}/cloud ;;
  *) exit 0 ;;
esac
mkdir -p $data; cd $data
PATH={folder}/bin:$PATH sh -c "$(echo "$words" | sed "s:/data/:$data/:g; s:/keys:{folder}/keys:g")"
"""

PYTHON = """\
#!/bin/sh
case "$3" in
  key) echo PRIVATE > "$4"; echo PUBLIC > "${4%.key}.pub" ;;
  enroll) mkdir -p server/sites server/components/metadata
    touch server/components/metadata/1.root.json
    echo "$@" >> asked; cp "$9" server/sites/$4.json ;;
esac
"""


def test_make_up_gives_the_cloud_the_public_halves_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for path, text in {"compose": STUB, "bin/python": PYTHON}.items():
        (tmp_path / path).write_text(text.replace("{folder}", str(tmp_path)))
        (tmp_path / path).chmod(0o755)
    for _ in range(2):  # again: nothing is made or enrolled twice
        subprocess.run(
            ["make", "up", f"COMPOSE={tmp_path / 'compose'}"], cwd=ROOT, check=True, timeout=60
        )
    for site in ("edge-a", "edge-b", "edge-c"):
        assert (tmp_path / site / f"{site}.key").read_text() == "PRIVATE\n"
        assert (tmp_path / "cloud/server/sites" / f"{site}.json").read_text() == "PUBLIC\n"
        assert (tmp_path / "keys" / site / "1.root.json").is_file()
    assert len((tmp_path / "cloud" / "asked").read_text().splitlines()) == 3
    private = [path for path in (tmp_path / "keys").rglob("*") if path.suffix == ".key"]
    assert private == []
