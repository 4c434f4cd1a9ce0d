"""All sites as one: each training window once, with its label, and the same test set."""

from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from simulate import configure
from simulate.world.build import open_world
from simulate.world.pooled import Pooled
from tests.unit.simulate.world.test_arrays import data, rows_of, saved


def test_one_site_has_the_windows_of_all(tmp_path: Path) -> None:
    content = data()
    config = configure("task=arrays", f"data.path={saved(tmp_path, content)}")
    OmegaConf.resolve(config)
    world = open_world(of := OmegaConf.to_yaml(config.world))
    pooled = Pooled(of)
    kept = [rows_of("a")[:9], rows_of("b")[:8], rows_of("c")[:4]]  # the last fifths are the test
    rows = np.concatenate(kept)
    (windows,) = map(pooled.windows, range(len(pooled.sites)))
    assert np.array_equal(windows.values, content["x"][rows].astype(np.float32))
    assert np.array_equal(windows.labels, content["y"][rows])
    assert windows.blocks == ("all",)
    assert not windows.block_of.any()
    assert pooled.test() is world.test()
    assert pooled.task == world.task
