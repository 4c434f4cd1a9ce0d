"""``docs/how-to/edge-node.md``, pasted into a shell as a whole, with a real broker."""

import re
from pathlib import Path

import pytest

from models.tasks import wearables
from tests.support.mosquitto import Mosquitto
from tests.support.shell import blocks, desk, replaced, typed

PAGE = "docs/how-to/edge-node.md"


@pytest.mark.long
def test_the_page_of_an_edge_node(tmp_path: Path) -> None:
    """Where it differs: the ports, and a training of one round on two sites.

    Then the box's part of deploy.md's backup.
    """
    (copies,) = blocks("docs/how-to/deploy.md#back-up-and-restore")
    _, _, backup, restore = replaced(copies, ("/var/lib/kitchen", "site")).splitlines()
    with Mosquitto(tmp_path / "broker") as broker:
        commands = replaced(
            "".join(blocks("docs/how-to/edge-node.md")),
            ("rounds=20", "rounds=1 sites=2"),
            ("fl-client run &", f"fl-client run broker.port={broker.port} http.port=0 &"),
        )
        commands += f"wait $box\n{backup}\nmv site lost\n{restore}\n"
        shown = typed(commands, desk(tmp_path / "reader", broker.port))
    predictions = [line for line in shown.splitlines() if line.startswith("predictions/box {")]
    assert len(predictions) == 2, shown
    assert re.search(r"site: \d+ files, without readings", shown), shown
    status = " ".join(shown.rpartition("name")[2].split())
    assert re.search(r"messages 1 received", status), status
    assert re.search(r"windows 2 kept, [12] labelled", status), status


def test_the_page_s_label_is_the_task_s() -> None:
    labels = re.findall(r"fl-client label (\w+)", "".join(blocks(PAGE)))
    assert set(labels) == {"PEN"} <= set(wearables().labels)
