"""What every world keeps to, and that its configuration builds it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.plugins.build import build
from fl_common.vocabulary import Task, Windows
from models import tasks
from models.fronts import check_constants
from simulate.world import World
from tests.unit.simulate.world.small_mnist import arrays
from tests.unit.simulate.world.test_activity import write_part
from tests.unit.simulate.world.test_arrays import data, saved

CASES = {
    "wearables": [],
    "activity": ["data.root={folder}"],
    "digits": ["data.root={folder}", "sites=4"],
    "digits skewed": ["data.root={folder}", "sites=4", "partition=dirichlet", "partition.alpha=1"],
    "digits shards": ["data.root={folder}", "sites=4", "partition=shards"],
    "arrays": ["data.path={folder}/own.npz", "world.center=[1,2,3]", "world.labels=[a,b,c]"],
}


def world(*overrides: str) -> World:
    """The world of a command line, built as a run builds it."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    OmegaConf.resolve(config)
    built: World = build(config.world)
    return built


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data of every kind."""
    folder = tmp_path_factory.mktemp("data")
    np.savez(folder / "mnist.npz", **arrays())
    saved(folder, data())
    write_part(folder, "train", [3, 1, 1, 7], seed=1)
    write_part(folder, "test", [2, 4], seed=2)
    return folder


@pytest.fixture(params=CASES)
def found(
    request: pytest.FixtureRequest, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    overrides = [text.format(folder=folder) for text in CASES[request.param]]
    return world(f"task={request.param.split()[0]}", *overrides)


def assert_fits(windows: Windows, task: Task) -> None:
    count = len(windows)
    assert count > 0
    assert windows.values.shape == (count, *task.window_shape)
    assert windows.values.dtype == np.float32
    assert windows.values.flags.c_contiguous
    assert np.isfinite(windows.values).all()
    for indices, names in ((windows.labels, task.labels), (windows.block_of, windows.blocks)):
        assert indices.shape == (count,)
        assert indices.dtype == np.int64
        assert indices.min() >= 0
        assert indices.max() < len(names)
    assert len(set(windows.blocks)) == len(windows.blocks)


def test_every_site_has_windows_that_fit_the_task(found: World) -> None:
    check_constants(found.task)
    assert len(found.task.channels) == len(found.task.units)
    assert len(found.task.channels) == found.task.window_shape[found.task.channel_axis]
    for index in range(len(found.sites)):
        assert_fits(found.windows(index), found.task)


def test_readings_are_in_as_many_windows_as_the_task_says() -> None:
    found = world("task=wearables")
    windows = found.windows(0)
    for block in range(len(windows.blocks)):
        readings = windows.values[windows.block_of == block].reshape(-1, 6)
        _, counts = np.unique(readings, axis=0, return_counts=True)
        assert np.quantile(counts, 0.9) == found.task.windows_per_reading


def test_the_same_site_is_the_same_object(found: World) -> None:
    assert found.windows(1) is found.windows(1)
    assert found.windows(1).values is found.windows(1).values


def test_sites_have_names_of_their_own(found: World) -> None:
    names = list(found.sites)
    assert all(names)
    assert len(set(names)) == len(names) == len(found.sites)
    assert found.sites[len(names) - 1] == names[-1]


def test_the_test_set_fits_and_every_group_has_windows(found: World) -> None:
    test = found.test()
    assert test is found.test()
    assert_fits(test.windows, found.task)
    assert test.group_of.dtype == np.int64
    assert test.group_of.shape == (len(test.windows),)
    assert np.array_equal(np.unique(test.group_of), np.arange(len(test.groups)))


@pytest.mark.parametrize("task", [tasks.wearables(), tasks.activity(), tasks.digits()])
def test_tasks_of_public_data_declare_one_constant_per_channel(task: Task) -> None:
    check_constants(task)
    assert len(task.channels) == len(set(task.channels)) == len(task.units)
    assert len(task.labels) == len(set(task.labels))
    assert (task.rate_hz is None) == (len(task.window_shape) != 2)


@pytest.mark.parametrize(
    ("overrides", "error", "says"),
    [
        (["task=wearables", "sites=11"], InvalidConfiguration, "sites=11: must be at most 10"),
        (["task=arrays"], InvalidConfiguration, "data.path=null"),
        (["task=activity", "data.root=nowhere"], InvalidData, "nowhere: must exist"),
        (["task=digits", "data.root=nowhere"], InvalidData, "data.root=nowhere: must be"),
        (
            ["task=digits", "data.root={folder}", "partition=dirichlet", "partition.alpha=-1"],
            InvalidConfiguration,
            "partition.alpha=-1: must be a finite number above 0",
        ),
        (
            ["task=digits", "data.root={folder}", "partition=shards", "sites=21"],
            InvalidConfiguration,
            "sites=21: must be at most 20",
        ),
    ],
)
def test_a_bad_override_is_one_message(
    folder: Path, overrides: list[str], error: type[Exception], says: Any
) -> None:
    with pytest.raises(error) as caught:
        world(*(text.format(folder=folder) for text in overrides))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
