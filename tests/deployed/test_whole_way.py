"""``docs/how-to/whole-way.md``, pasted into a shell: two runs, two promotions, one box."""

import re
from pathlib import Path

from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT


def test_the_whole_way(alone: None, tmp_path: Path) -> None:
    """Where it differs: the ports, and no installation."""
    commands = "".join(blocks("docs/how-to/whole-way.md"))
    (ledger,) = blocks("docs/reference/ledger.md#the-table")
    server, box = blocks("docs/how-to/whole-way.md", "yaml")
    port = free_port()
    with Mosquitto(tmp_path / "broker") as broker:
        reader = desk(tmp_path / "reader", broker.port)
        ports = f"listen: 127.0.0.1:{port}\nsuperlink_port: {free_port()}\n"
        (reader / "server.yaml").write_text(server + ports)
        ports = f"http: {{port: 0}}\nbroker: {{port: {broker.port}}}\n"
        (reader / "box.yaml").write_text(box.replace("8443", str(port)) + ports)
        play = ("simulate play", f"simulate play broker.port={broker.port}")
        shown = typed(replaced(commands, play) + ledger, reader, seconds=1500)
    log = " ".join(shown.split())
    assert "version 1 had nothing to compare with at accuracy" in log, shown
    judged = re.search(r"version 2 (passed|FAILED) accuracy: ", log)
    assert judged is not None, shown
    assert ("FORCED" in log) == (judged[1] == "FAILED"), shown
    assert "Now production has version 2 " in log
    assert re.search(r"first-\w+: 1 second-\w+: 1-5 ", log), "both runs are in the ledger"
    page = " ".join((ROOT / "docs/how-to/whole-way.md").read_text("utf-8").split())
    shares = re.search(r"on each day: (\S+) of 8 on .*, and (\S+) on held-out", page)
    spent = re.search(r" [-\d]{10} (\d\.\d+) .*? [-\d]{10} \(held out\) (\d\.\d+) ", log)
    assert shares is not None
    assert spent is not None
    assert [f"{float(one):.1f}" for one in spent.groups()] == [*shares.groups()]
    (table,) = blocks("docs/reference/ledger.md", "text")
    columns = " ".join(table.split()[:4])
    assert log.count(columns) == 2, f"{columns}: {shown}"
