"""``docs/how-to/edge-node.md``, pasted into a shell as a whole, with a real broker."""

import re
from pathlib import Path

import pytest

from models.tasks import wearables
from tests.support.mosquitto import Mosquitto
from tests.support.shell import blocks, desk, indented, typed

ELSEWHERE = ("make setup\n", "sudo apt-get install mosquitto mosquitto-clients\n")
"""What needs a network or root: not typed here."""

COPIES = [line for block in indented("deploy") for line in block if "kitchen.tar.gz" in line]
"""A box's part of deploy.md's backup, which this page's box can try."""


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for shown, typed_here in changes:
        assert shown in text, f"the page has no {shown!r}"
        text = text.replace(shown, typed_here)
    return text


@pytest.mark.slow
def test_the_page_of_an_edge_node(tmp_path: Path) -> None:
    """Where it differs: the ports, and a training of one round on two sites."""
    with Mosquitto(tmp_path / "broker") as broker:
        commands = replaced(
            "".join(blocks("edge-node", "sh")),
            *((line, "") for line in ELSEWHERE),
            ("rounds=20", "rounds=1 sites=2"),
            ("fl-client run &", f"fl-client run broker.port={broker.port} http.port=0 &"),
        )
        backup, restore = (line.replace("/var/lib/kitchen", "site") for line in COPIES)
        commands += f"wait $box\n{backup}\nmv site lost\n{restore}\n"
        shown = typed(commands, desk(tmp_path / "reader", broker.port))
    predictions = [line for line in shown.splitlines() if line.startswith("predictions/box {")]
    assert len(predictions) == 2, shown
    assert re.search(r"site: \d+ files, without readings", shown), shown
    status = " ".join(shown.rpartition("name")[2].split())
    assert re.search(r"messages 2 received", status), status
    assert re.search(r"windows 2 kept, [12] labelled", status), status


def test_the_page_s_label_is_the_task_s() -> None:
    labels = re.findall(r'\\"label\\": \\"(\w+)\\"', "".join(blocks("edge-node", "sh")))
    assert set(labels) == {"PEN"} <= set(wearables().labels)
