"""A check of the world (data set) contract, for authors' own tests.

Only for tests: a failing assertion explains what is wrong.
"""

import numpy as np

from fl_common.plugins.kinds import WORLD, check_extension
from fl_common.vocabulary import Task, Windows
from models.fronts import check_constants
from simulate.world import World


def check_world(world: World) -> None:
    """Check that the sites' windows and the test set of ``world`` fit its task; looks at all sites.

    Raises:
        AssertionError: what does not hold.
        InvalidConfiguration: it is no world, or its task declares wrong constants.
    """
    check_extension(WORLD, world)
    task, names = world.task, list(world.sites)
    check_constants(task)
    assert len(task.units) == len(task.channels), "the task needs a unit for each channel"
    assert names, "the world has no site"
    assert all(names), "a site has no name"
    assert len(set(names)) == len(names), "two sites have the same name"
    for index, name in enumerate(names):
        windows = world.windows(index)
        assert world.windows(index) is windows, f"site {name}: not the same object again"
        check_windows(f"site {name}", windows, task)
    test = world.test()
    check_windows("the test set", test.windows, task)
    shape = test.group_of.shape
    assert shape == (len(test.windows),), f"group_of has shape {shape}, not (N,)"
    groups = np.arange(len(test.groups))
    assert np.array_equal(np.unique(test.group_of), groups), "a group of the test set has no window"


def check_windows(what: str, windows: Windows, task: Task) -> None:
    """Check that ``windows`` are windows of ``task``.

    Raises:
        AssertionError: what does not hold; ``what`` they are is named.
    """
    count, values = len(windows), windows.values
    assert count > 0, f"{what} has no windows"
    shape = (count, *task.window_shape)
    assert values.shape == shape, f"{what}: values have shape {values.shape}, not {shape}"
    assert values.dtype == np.float32, f"{what}: values are {values.dtype}, not float32"
    assert np.isfinite(values).all(), f"{what}: a value is not finite"
    for column, indices_N, names in (
        ("labels", windows.labels, task.labels),
        ("block_of", windows.block_of, windows.blocks),
    ):
        assert indices_N.shape == (count,), f"{what}: {column} has shape {indices_N.shape}"
        assert indices_N.dtype == np.int64, f"{what}: {column} is {indices_N.dtype}, not int64"
        inside = indices_N.min() >= 0 and indices_N.max() < len(names)
        assert inside, f"{what}: {column} is not an index into {len(names)} names"
    assert len(set(windows.blocks)) == len(windows.blocks), f"{what}: two blocks of one name"
