"""The server's metrics: right after each round, and named as Prometheus asks."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fl_server.rounds.metrics import RoundMetrics

ROW: dict[str, Any] = {
    "round": 3,
    "rounds": 9,
    "epsilon_limit": 8.0,
    "asked": 4,
    "updates": 2,
    "refusals": {"budget": 1},
    "errors": ["late"],
    "cut": ["update of site a: its norm is cut"],
    "late": ["d"],
    "busy": ["b", "c"],
    "seconds": 1.5,
    "bytes_up": 100,
    "bytes_down": 400,
    "epsilon": 0.5,
    "epsilon_per": {"window": 0.5},
    "epsilon_by_class": {"ward": 0.4},
}


def written(folder: Path) -> Path:
    """The file after two rounds and a model."""
    path = folder / "metrics.prom"
    metrics = RoundMetrics(path, "first")
    metrics.add(ROW)
    metrics.add(
        {**ROW, "round": 4, "updates": 4, "refusals": {}, "errors": [], "cut": [], "epsilon": 0.7}
    )
    metrics.show_model("wearables", {"testing": "1.0.1", "production": "1.0.0"})
    return path


def test_rounds_add_up(tmp_path: Path) -> None:
    families = text_string_to_metric_families(written(tmp_path).read_text())
    found = {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}
    assert found["fl_server_rounds_total",] == 2
    assert found["fl_server_round",] == 4
    assert found["fl_server_received_bytes_total",] == 200
    assert found["fl_server_sent_bytes_total",] == 800
    assert found["fl_server_round_duration_seconds_sum",] == 3.0
    assert found["fl_server_updates_total",] == 6
    assert found["fl_server_participation_ratio",] == 1.0
    assert found["fl_server_refusals_total", "budget"] == 1
    assert found["fl_server_errors_total",] == 1
    assert found["fl_server_cut_updates_total",] == 1
    assert found["fl_server_run_rounds",] == 9
    assert found["fl_server_epsilon_limit",] == 8.0
    assert found["fl_server_late_sites_total",] == 2
    assert found["fl_server_busy_sites_total",] == 4
    assert found["fl_server_epsilon", "run"] == 0.7
    assert found["fl_server_model_info", "wearables", "testing", "1.0.1"] == 1
    assert found["fl_server_model_info", "wearables", "production", "1.0.0"] == 1
    assert found["fl_server_class_epsilon", "ward"] == 0.4
    assert found["fl_server_run_info", "first"] == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus' promtool")
def test_promtool_finds_nothing_to_object_to(tmp_path: Path) -> None:
    text = written(tmp_path).read_bytes()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
