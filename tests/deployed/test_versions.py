"""A fleet of two versions of Flower: the oldest that a box may have, and the server's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import flwr
import pytest

from tests.deployed.fleet import Cloud, TestSite
from tests.support.declared import PROJECT
from tests.support.sources import ROOT

(OLDEST,) = re.findall(r"flwr>=(\d+\.\d+)", " ".join(PROJECT["optional-dependencies"]["train"]))


@pytest.fixture
def older(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that imports the oldest Flower which pyproject.toml allows."""
    folder = tmp_path / "older"
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder)
    subprocess.run([*install, f"flwr=={OLDEST}.*"], check=True, timeout=300)
    variables = {"PYTHONPATH": str(folder)}
    found = subprocess.run(
        (sys.executable, "-c", "import flwr; print(flwr.__version__)"),
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(f"{OLDEST}.")
    assert not flwr.__version__.startswith(f"{OLDEST}.")
    return variables


def test_boxes_with_an_older_flower_take_part_in_a_run(
    alone: None, tmp_path: Path, older: dict[str, str]
) -> None:
    changes = {"rounds": 2, "sites": 2, "privacy": {"epsilon": 100.0}}
    cloud = Cloud(tmp_path, changes)
    sites = [TestSite(cloud, name) for name in ("anna", "bert")]
    sites[0].process.variables = older
    try:
        cloud.start()
        for site in sites:
            site.enroll()
            site.process.start()
        row = cloud.await_rounds(2)
        assert (row["updates"], row["refusals"], row["errors"]) == (2, {}, []), row
    finally:
        for site in sites:
            if site.process.popen is not None:
                site.process.kill()
        cloud.process.stop()
