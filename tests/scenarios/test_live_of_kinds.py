"""A live fleet of other kinds of tasks: nodes predict, and the kind's own measures judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kind_data import kind_data
from tests.support.mosquitto import Mosquitto

PATIENCE = 300.0  # seconds


@pytest.mark.long
@pytest.mark.parametrize("kind", ["regression", "multilabel", "sequence", "forecast", "anomaly"])
def test_every_window_is_predicted_and_judged(kind: str, tmp_path: Path) -> None:
    Mosquitto(tmp_path)  # skips where there is none
    small = ("rounds=1", "engine.sites=2", "engine.speed=20", "engine.seconds=2")
    where = ("world.rate_hz=20", f"hydra.run.dir={tmp_path / 'run'}")
    command = [sys.executable, "-m", "simulate", "engine=live", *kind_data(kind, tmp_path)]
    done = subprocess.run(
        [*command, *small, *where], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text("utf-8"))
    sites = json.loads((tmp_path / "run/live/summary.json").read_text("utf-8"))
    assert len(sites) == 2
    for site in sites:
        assert site["windows"] == site["predictions"] > 5
        assert site["sent"] == site["received"] == site["processed"] + site["waiting"]
        assert [*site["measures"]] == [*summary["measures"]]
    assert "Of all predictions: " in done.stdout
