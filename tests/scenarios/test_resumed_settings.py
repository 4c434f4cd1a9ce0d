"""A run goes on with what it began with: other settings and other data are named and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from simulate import configure, resume, run
from tests.unit.simulate.world.test_arrays import data, saved

QUICK = ("net=logistic", "rounds=2", "sites=2", "privacy=none", "training.batch_size=2")
ARRAYS = ("task=arrays", "world.labels=[a,b,c]")


class Stopped(Exception):
    """What a listener raises to end a run."""


def stop(*_: Any, **__: Any) -> None:
    raise Stopped


@pytest.fixture
def interrupted(tmp_path: Path) -> tuple[Path, Path]:
    """A run on a file, interrupted after its first round: its folder, and the file."""
    path, folder = saved(tmp_path, data()), tmp_path / "run"
    with pytest.raises(Stopped):
        run(configure(*QUICK, *ARRAYS, f"data.path={path}"), folder=folder, on_round=stop)
    return folder, path


def test_a_file_that_was_replaced_is_refused(interrupted: tuple[Path, Path]) -> None:
    folder, path = interrupted
    content = data()
    content["x"] = content["x"] + 1
    saved(path.parent, content)
    with pytest.raises(InvalidConfiguration, match=r"data=sha256 \w+.* Put the data back"):
        resume(folder)


def test_a_file_that_was_moved_or_packed_goes_on(interrupted: tuple[Path, Path]) -> None:
    folder, path = interrupted
    moved = path.with_name("moved.npz")
    np.savez_compressed(moved, **data())
    path.unlink()
    config = configure(f"resume={folder}")
    config.world.path = str(moved)
    assert run(config).history[-1].round == 2


def test_a_run_that_was_killed_before_its_first_checkpoint_keeps_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr("simulate.job.job.open_ledger", stop)
    with pytest.raises(Stopped):
        run(configure(*QUICK), folder=folder)
    monkeypatch.undo()
    config = configure(f"resume={folder}")
    config.strategy.optimiser.momentum = 0.5
    with pytest.raises(InvalidConfiguration, match=r"momentum=0.5 \(it began with 0.9\)"):
        run(config)
