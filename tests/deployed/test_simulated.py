"""``engine=deployment`` ends as ``engine=loopback`` does, for the same seed and plan."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sources import ROOT

pytestmark = pytest.mark.timeout(900)


def summary(folder: Path, *overrides: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "simulate", "sites=2", "rounds=2", *overrides]
    done = subprocess.run(
        [*command, f"hydra.run.dir={folder}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return values


def test_the_real_processes_learn_what_the_loopback_learns(alone: None, tmp_path: Path) -> None:
    there = summary(tmp_path / "deployed", "engine=deployment")
    here = summary(tmp_path / "loopback")
    assert there["accuracy"] == pytest.approx(here["accuracy"], abs=0.01)
    assert there["epsilon"] == here["epsilon"]
    assert there.keys() == here.keys()
