"""What a site's link counts of its work, and that the node shows it as metrics."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Error, Message
from prometheus_client import CollectorRegistry, generate_latest

from fl_client.federation.traffic import TrafficRecord
from fl_client.node.federation_metrics import FederationMetrics
from fl_client.site.shortfalls import FILE, Shortfall, Shortfalls
from fl_common.plan import Instruction
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from simulate.engines.loopback import identify_process
from tests.support.samples import plan

PARAMETERS = {"w": np.ones(100, np.float32)}


def asked(kind: str = "train") -> Message:
    identify_process()
    content = wire.InstructionWriter(Instruction(plan(), 3, PARAMETERS)).content()
    message = Message(content, 7, kind, group_id="3")
    message.metadata.__dict__["_message_id"] = "m"
    return message


def worked(path: Path) -> None:
    """An update of two seconds, a refusal, and a trainer that died."""
    figures, message = TrafficRecord(path), asked()
    update = wire.write_answer(LocalUpdate("anna", "r", 3, PARAMETERS, 1.0))
    refusal = wire.write_answer(Refusal("anna", "r", 3, RefusalReason.BUDGET, "nothing is left"))
    figures.add(message, Message(update, reply_to=message), 2.0)
    figures.add(message, Message(refusal, reply_to=message), 0.5)
    figures.add(message, Message(Error(2, "died"), reply_to=message), 0.25)


def shown(path: Path, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(FederationMetrics(path.parent))
    return registry.get_sample_value(f"fl_client_federation_{name}_total", labels)


def test_how_far_the_clock_is_from_the_server_s_is_shown(tmp_path: Path) -> None:
    path, registry = tmp_path / "training.json", CollectorRegistry()
    registry.register(FederationMetrics(tmp_path))
    for ahead_s, shown_s in ((None, None), (20.04, 20.0), (20.9, 20.0), (-3.0, -3.0)):
        TrafficRecord(path).note_clock(ahead_s)
        name = "fl_client_federation_clock_ahead_seconds"
        assert registry.get_sample_value(name) == shown_s


def test_rounds_seconds_bytes_and_refusals_are_metrics_of_the_node(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    worked(path)
    assert shown(path, "rounds") == 1
    assert shown(path, "answers", kind="train") == 3
    assert shown(path, "seconds", kind="train") == 2.75
    assert shown(path, "refusals", reason="budget") == 1
    assert shown(path, "errors") == 1
    sent, received = shown(path, "sent_bytes"), shown(path, "received_bytes")
    assert sent is not None
    assert received is not None
    assert 400 < sent < received < 3 * 2000


def test_answers_without_data_are_a_metric_of_the_node(tmp_path: Path) -> None:
    told = Shortfalls(tmp_path / FILE)
    for _ in range(2):
        told.note("anna", Shortfall.EMPTY, "no windows can be used")
    told.keep()
    told.note("anna", Shortfall.RAISED, "out of memory")
    told.keep()
    told.keep()
    assert shown(tmp_path / "training.json", "shortfalls", reason="empty") == 2
    assert shown(tmp_path / "training.json", "shortfalls", reason="raised") == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus' promtool")
def test_promtool_finds_nothing_to_object_to(tmp_path: Path) -> None:
    worked(tmp_path / "training.json")
    registry = CollectorRegistry()
    registry.register(FederationMetrics(tmp_path))
    text = generate_latest(registry)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_counts_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    worked(path)
    worked(path)
    assert shown(path, "rounds") == 2
    assert shown(path, "refusals", reason="budget") == 2


def test_a_file_that_can_not_be_read_stops_neither_link_nor_metrics(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    path.write_text("{")
    assert shown(path, "rounds") is None
    worked(path)
    assert shown(path, "rounds") == 1


def test_the_run_in_a_site_s_log_is_the_server_s() -> None:
    assert wire_log.read_run(asked().content) == plan().run
    assert wire_log.read_run(wire.empty()) is None
