"""A sweep: what fails ends no other, what has finished is left, what began goes on."""

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from simulate.__main__ import main
from simulate.home import one_folder
from simulate.job.sweep import Sweep
from simulate.report.console import Console
from simulate.report.frame import LIBRARY
from simulate.result import open_result

QUICK = ["task=arrays", "net=logistic", "rounds=2", "privacy=none", "training.batch_size=8"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(path, x=x, y=np.arange(80) % 2, site=np.arange(80) % 4)
    return path


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of ``fl-simulate`` in this process."""
    monkeypatch.setattr("simulate.__main__._SWEEP", Sweep())
    monkeypatch.setattr(sys, "argv", ["simulate", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def interrupt_after(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in so many rounds from now."""
    shown, left = Console.round, iter(range(rounds))

    def show(console: Console, *about: object) -> None:
        shown(console, *about)  # type: ignore[arg-type]
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Console, "round", show)


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_was(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "sweep"
    command = ["--multirun", *QUICK, f"data.path={data},{tmp_path}/none.npz", "seed=0,1"]
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        assert ended(patch, *command, f"hydra.sweep.dir={sweep}") == 130
    typed = capsys.readouterr().err.partition("same command with ")[2].partition(" to go on")[0]
    first = next(sweep.glob("*/summary.json")).read_text()
    assert ended(monkeypatch, *command, *shlex.split(typed)) == 2
    out, err = capsys.readouterr()
    assert "finished before: " in out
    assert "going on after round 1 of 2" in out
    assert next(path for path in sweep.glob("*/summary.json") if path.read_text() == first)
    assert "2 of the sweep's runs failed:" in err
    assert err.count("none.npz: must be a file that exists") == 4  # at once, and at the end
    members = sorted(path.parent for path in sweep.rglob("summary.json"))
    assert [member.parent for member in members] == [sweep, sweep]
    assert [open_result(member).summary["seed"] for member in members] == [0, 1]
    assert [path.parent for path in sweep.rglob(LIBRARY)] == [sweep]
    assert all(open_result(member).report.stat().st_size < 100_000 for member in members)


def test_an_interrupted_run_prints_how_to_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a run, seed=0"
    with monkeypatch.context() as patch:
        interrupt_after(0, patch)
        run = f'hydra.run.dir="{folder}"'
        assert ended(patch, *QUICK, f"data.path={data}", run) == 130
    typed = capsys.readouterr().err.strip().partition("continue with ")[2].removesuffix(".")
    assert ended(monkeypatch, *shlex.split(typed)) == 0
    assert len(open_result(folder).history) == 2


def test_a_members_folder_is_one_folder_with_a_name_of_its_own() -> None:
    assert one_folder("data.path=/a/b.npz,seed=0") == "data.path=:a:b.npz,seed=0"
    long = [one_folder("ü" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name.encode()) <= 200 for name in long)
