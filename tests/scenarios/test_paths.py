"""Awkward names of files and folders on the command line: data, a sweep's members, resuming."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simulate

DATA = "run=3, [b] \N{LATIN SMALL LETTER E WITH ACUTE}.npz"


def command(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run the program in ``folder``; what it says on standard error."""
    words = [sys.executable, "-m", "simulate", *arguments]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == bool(status)
    return ended.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data file, and the outputs of a sweep over it."""
    folder = tmp_path_factory.mktemp("place")
    x = np.random.default_rng(0).normal(size=(400, 3))
    np.savez(folder / DATA, x=x, y=np.arange(400) % 2, site=np.arange(400) % 4)
    own = ["task=arrays", f"data.path={DATA}", "rounds=1", "net=logistic", "privacy=none"]
    command(folder, *own, "--multirun", "seed=0,1")
    return folder


@pytest.mark.long
def test_a_sweeps_member_goes_on_by_the_name_of_its_folder(place: Path) -> None:
    members = [path.parent for path in (place / "outputs").rglob("run.json")]
    assert len(members) == 2
    for member in members:
        assert {"=", ","} < set(member.name)
        before = json.loads((member / "summary.json").read_text())
        command(place, f"resume={member.relative_to(place)}")
        after = json.loads((member / "summary.json").read_text())
        assert after["parameter_digest"] == before["parameter_digest"]
        assert simulate.configure(f"resume={member}").seed == before["seed"]


@pytest.mark.slow
def test_a_member_goes_on_nowhere_else(place: Path) -> None:
    member = next((place / "outputs").rglob("run.json")).parent.relative_to(place)
    for elsewhere in (["hydra.run.dir=another"], ["--multirun"], ["hydra.sweep.dir=another"]):
        line = command(place, f"resume={member}", *elsewhere, status=2)
        assert f"resume={member} with {elsewhere[0]}: goes on in the folder of the run" in line
        remedy = line.partition("Give ")[2].partition(" alone;")[0]
        assert shlex.split(remedy) == [f"resume={member}"]
    assert not (place / "another").exists()


@pytest.mark.slow
def test_a_folder_that_nobody_has_is_named_as_it_was_given(place: Path) -> None:
    line = command(place, "resume=outputs/seed=7,rounds=2", status=2)
    (typed,) = shlex.split(line.rpartition("Type ")[2].strip().removesuffix("."))
    line = command(place, typed, status=2)
    assert "resume=outputs/seed=7,rounds=2: is not the outputs folder of a run" in line


def test_names_that_look_like_numbers_are_names(tmp_path: Path) -> None:
    assert "2026: must be a file that exists" in command(
        tmp_path, "task=arrays", "data.path=2026", status=2
    )
