"""``engine=deployment``: the processes of a deployment, with the result of the other engines."""

import json
import sys
from pathlib import Path

import pytest

from tests.deployed.fleet import Process, until

pytestmark = pytest.mark.timeout(600)


def run(engine: str, folder: Path) -> str:
    words = [f"engine={engine}", "sites=2", "rounds=2", f"hydra.run.dir={folder}"]
    process = Process([sys.executable, "-m", "simulate", *words], folder.with_suffix(".log"))
    process.start()
    assert process.popen is not None
    popen = process.popen
    until(lambda: popen.poll() is not None, f"engine={engine} ends")
    assert popen.returncode == 0, process.log.read_text()
    return process.log.read_text()


def test_it_ends_as_loopback_does_and_the_sites_run_the_new_model(
    alone: None, tmp_path: Path
) -> None:
    deployed, in_process = tmp_path / "deployed", tmp_path / "in-process"
    said, expected = run("deployment", deployed), run("loopback", in_process)
    assert "2 of 2 sites run model wearables 1 (" in said
    rows = [[x.split()[0] for x in text.splitlines() if x.strip()] for text in (said, expected)]
    for row in ("accuracy", "privacy", "traffic", "digest", "component"):
        assert all(row in found for found in rows), row
    ends = [json.loads((f / "summary.json").read_text()) for f in (deployed, in_process)]
    assert abs(ends[0]["accuracy"] - ends[1]["accuracy"]) <= 0.01
    assert ends[0]["epsilon"] == ends[1]["epsilon"]
    logs = deployed / "deployment" / "logs"
    for site in ("site-000", "site-001"):
        assert (logs / f"{site}.log").read_text().count("trainer process") == 1, "imported once"
