"""``docs/how-to/several-machines.md``, typed into a shell, with a real broker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fl_client.home import STORE
from fl_client.store.database import reading
from tests.support.mosquitto import Mosquitto
from tests.support.mosquitto_clients import install
from tests.support.nodes import place_model
from tests.support.sources import ROOT

PAGE = ROOT / "docs" / "how-to" / "several-machines.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_page_of_several_machines(tmp_path: Path) -> None:
    """Where it differs: the broker's port, and the box's, and the model is an untrained one."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "outputs").mkdir()
    digest = place_model(tmp_path / "outputs" / "any")
    version = tmp_path / "outputs" / "any" / "slots" / "model" / "versions" / digest
    (tmp_path / "outputs" / "first").symlink_to(version)
    (configuration,) = blocks("yaml")
    with Mosquitto(tmp_path / "broker") as broker:
        ports = configuration.replace("1883", str(broker.port)) + "http: {port: 0}\n"
        (tmp_path / "hall.yaml").write_text(ports)
        install(tmp_path / "bin", broker.port)
        typed = subprocess.run(
            ["bash", "-ec", "\n".join(["trap 'kill $box' EXIT", *blocks("sh")])],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    assert typed.returncode == 0, typed.stderr
    for machine in ("press", "saw", "mill"):
        assert typed.stdout.count(f"predictions/hall/{machine}\n") == 2, typed.stdout + typed.stderr
    shown = " ".join(typed.stdout.split())
    assert re.search(r"streams 3: mill \w+, press \w+, saw \w+ ", shown), shown
    with reading(tmp_path / "hall-data" / STORE) as store:
        labelled = store.execute("SELECT DISTINCT stream FROM windows WHERE label NOT NULL")
        assert labelled.fetchall() == [("saw",)]
