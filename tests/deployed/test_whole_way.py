"""``docs/how-to/whole-way.md``, pasted into a shell: two runs, two promotions, one box."""

import re
from pathlib import Path

import pytest

from tests.deployed.fleet import free_port
from tests.support.mosquitto import Mosquitto
from tests.support.shell import blocks, desk, typed

pytestmark = pytest.mark.timeout(600)


def test_the_whole_way(alone: None, tmp_path: Path) -> None:
    """Where it differs: the ports, and no installation."""
    install, *commands = blocks("whole-way", "sh")
    assert [line.split()[0] for line in install.splitlines()] == ["make", "sudo"]
    server, box = blocks("whole-way", "yaml")
    port = free_port()
    with Mosquitto(tmp_path / "broker") as broker:
        reader = desk(tmp_path / "reader", broker.port)
        ports = f"listen: 127.0.0.1:{port}\nsuperlink_port: {free_port()}\n"
        (reader / "server.yaml").write_text(server + ports)
        ports = f"http: {{port: 0}}\nbroker: {{port: {broker.port}}}\n"
        (reader / "box.yaml").write_text(box.replace("8443", str(port)) + ports)
        shown = typed("".join(commands), reader)
    log = " ".join(shown.split())
    assert "version 1 had nothing to compare with at accuracy" in log, shown
    assert "a try on one machine" in log
    assert "Now production has version 2 " in log
    assert re.search(r"first-\w+: 1-2 second-\w+: 1-2", log), "both runs are in the ledger"
