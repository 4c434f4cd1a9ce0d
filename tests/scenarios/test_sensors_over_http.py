"""The how-to "Sensors over HTTP", typed: a node without a broker takes posts, and says so."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodes import NodeProcess, message, place_model, wait_for
from tests.support.ports import free_port
from tests.support.shell import blocks, desk, replaced, typed

TOKEN = "0123456789abcdef0123456789abcdef"


class Porch(NodeProcess):
    """The node of the page, with free ports."""

    def __init__(self, home: Path, file: Path, *overrides: str) -> None:
        super().__init__(home, 1)
        self._command = [
            *(*self._command[:4], "--config", str(file), f"home={home}", "http.port=0"),
            *("transports.http.port=0", "retention.days=36500", *overrides),
        ]


@pytest.mark.slow
def test_the_page_from_the_first_post_to_what_the_box_has(tmp_path: Path) -> None:
    """Where it differs: the ports."""
    reader, port = desk(tmp_path / "reader"), free_port()
    (file,) = blocks("docs/how-to/sensors-over-http.md", "yaml")[:1]
    (reader / "porch.yaml").write_text(file)
    commands = replaced(
        "".join(blocks("docs/how-to/sensors-over-http.md")),
        ("9465", str(port)),
        ("porch.yaml &", f"porch.yaml http.port=0 transports.http.port={port} &"),
    )
    shown = typed(commands, reader)
    last = shown.rpartition("site  ")[2]
    assert "2 received = " in last, shown
    assert "+ 0 lost; 0 repeated" in last


def counted(node: NodeProcess, messages: int) -> dict[str, Any]:
    """The node's status when it has taken so many."""
    status = node.status()
    return status if status and status["messages"]["received"] == messages else {}


@pytest.mark.slow
def test_a_node_without_a_broker_predicts_and_says_that_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, file = tmp_path / "porch", tmp_path / "porch.yaml"
    file.write_text(blocks("docs/how-to/sensors-over-http.md", "yaml")[0])
    place_model(home)
    monkeypatch.setenv("SENSOR_TOKEN", TOKEN)
    node = Porch(home, file, "sensors=wearables_raw")
    node.start()
    try:
        node.wait()
        url = f"{node.status()['transports']['http']['address']}/sensors/porch/watch"
        for number in range(20):
            asked = urllib.request.Request(url, message(number))
            asked.add_header("Authorization", f"Bearer {TOKEN}")
            with urllib.request.urlopen(asked, timeout=60) as answer:
                assert answer.status == 204
        status = wait_for(
            lambda: found if (found := counted(node, 20)) and found["predictions"] else {},
            "predictions",
        )
        assert status["latest_prediction"]["label"]
        assert status["events"]["dropped"]["no_broker"] == status["events"]["made"]
        assert status["events"]["made"] >= status["predictions"]
        assert status["wrong"] == []
        metrics = node.ask("/metrics")[1].decode()
        assert 'fl_client_events_dropped_total{reason="no_broker"}' in metrics
        assert 'fl_client_transport_up{transport="http"} 1.0' in metrics
        assert node.stop() == 0
    finally:
        if node.process.poll() is None:
            node.kill()
    assert json.loads(node.log().splitlines()[-1])["level"] == "info"
