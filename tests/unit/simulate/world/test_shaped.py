"""A world whose windows go through a shape: as by hand, and what fails is dropped and told."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from fl_common.functions.shape import digest_of
from simulate.configuration.composition import configure, resolved
from simulate.testing import check_world
from simulate.world.build import open_world, world_yaml
from simulate.world.shaped import Shaped
from tests.support.sandboxes import compile_runner, fields_of
from tests.support.shapes import SHAPED, written

HALVES = """
def transform(window):
    if window.values[0] < -9:
        raise ValueError("too cold")
    window.values = window.values[::2]
    return window
"""


@pytest.fixture
def shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache" / "join-the-dots"
    cache.mkdir(parents=True)
    (cache / "machine-code").symlink_to(compile_runner())
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    return written(tmp_path / "halves", json.dumps(fields_of(**SHAPED)), HALVES)


def raw_world(folder: Path) -> str:
    """Twelve windows of 8 readings of a channel, of which one is too cold."""
    values_NTC = np.arange(96, dtype=np.float32).reshape(12, 8, 1)
    values_NTC[0, 0] = -10
    site_N, labels_N = np.array(["a"] * 12), np.arange(12) % 2
    np.savez(folder / "own.npz", x=values_NTC, y=labels_N, site=site_N)
    config = configure(
        "task=arrays", f"data.path={folder / 'own.npz'}", "world.rate_hz=10", "data.site=site"
    )
    return OmegaConf.to_yaml(config["world"], resolve=True)


def test_windows_are_what_the_shape_makes_and_others_are_told(tmp_path: Path, shape: Path) -> None:
    raw = raw_world(tmp_path)
    world, before = Shaped(raw, str(shape)), open_world(raw)
    kept = before.windows(0)
    cold_N = kept.values[:, 0, 0] == -10
    check_world(world)
    np.testing.assert_array_equal(world.windows(0).values, kept.values[~cold_N][:, ::2])
    np.testing.assert_array_equal(world.windows(0).labels, kept.labels[~cold_N])
    assert (world.task.window_shape, world.task.rate_hz) == ((4, 1), 5.0)
    assert world.task.as_cut == before.task
    assert world.task.shape is not None
    assert world.task.shape.digest == digest_of(shape)
    told = " ".join(world.notes)
    assert "8 readings become 4" in told
    assert cold_N.sum() == 1
    assert "1 windows dropped: ValueError: too cold" in told


def test_a_run_names_it_once(tmp_path: Path, shape: Path) -> None:
    config = resolved(configure(f"shape={shape}"))
    node = yaml.safe_load(world_yaml(config))
    assert node["_target_"] == "simulate.world.shaped.Shaped"
    assert "Shaped" not in world_yaml(resolved(configure()))
