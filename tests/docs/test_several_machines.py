"""``docs/how-to/several-machines.md``, typed into a shell, with a real broker."""

import re
from pathlib import Path

import pytest

from fl_client.home import STORE
from fl_client.store.database import reading
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import place_model
from tests.support.shell import blocks, desk, replaced, typed


@pytest.mark.slow
def test_the_page_of_several_machines(tmp_path: Path) -> None:
    """Where it differs: the broker's port, and the box's, and the model is an untrained one."""
    (tmp_path / "outputs").mkdir()
    digest = place_model(tmp_path / "outputs" / "any")
    version = tmp_path / "outputs" / "any" / "slots" / "model" / "versions" / digest
    (tmp_path / "outputs" / "first").symlink_to(version)
    (configuration,) = blocks("docs/how-to/several-machines.md", "yaml")
    commands = "".join(blocks("docs/how-to/several-machines.md"))
    with Mosquitto(tmp_path / "broker") as broker:
        ports = replaced(configuration, ("1883", str(broker.port))) + "http: {port: 0}\n"
        (tmp_path / "hall.yaml").write_text(ports)
        printed = typed(commands, desk(tmp_path, broker.port))
    for machine in ("press", "saw", "mill"):
        assert printed.count(f"predictions/hall/{machine}\n") == 2, printed
    shown = " ".join(printed.split())
    assert re.search(
        r"streams 3; mill: \w+, with probability 0.\d+; press: \w+,.*; saw: \w+,", shown
    ), shown
    with reading(tmp_path / "hall-data" / STORE) as store:
        labelled = store.execute("SELECT DISTINCT stream FROM windows WHERE label NOT NULL")
        assert labelled.fetchall() == [("saw",)]
