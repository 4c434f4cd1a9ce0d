"""The data set: what sensors in greenhouses measure while vents and heating work."""

import numpy as np

from fl_common.configuration.rules import require, whole
from fl_common.vocabulary import Windows
from greenhouse.tasks import greenhouse
from simulate.world import TestSet
from simulate.world.lazy import LazyWorld, NumberedSites

_TASK = greenhouse()
_LABELS = len(_TASK.labels)


class Greenhouses(LazyWorld):
    """``sites`` greenhouses (``default_sites`` where it is None), each with ``windows`` windows.

    They are drawn by chance: this is an example.

    Raises:
        InvalidConfiguration: a number below 1.
    """

    def __init__(self, sites: int | None, default_sites: int, windows: int) -> None:
        sites = default_sites if sites is None else sites
        require("sites", sites, whole(1))
        require("world.windows", windows, whole(1))
        test = _drawn(sites, 20 * _LABELS)
        group_of = np.zeros(len(test), np.int64)
        super().__init__(
            _TASK,
            NumberedSites(sites),
            lambda index: _drawn(index, windows),
            None,
            TestSet(test, group_of, ("all",)),
        )


def _drawn(seed: int, count: int) -> Windows:
    generator = np.random.default_rng(seed)
    labels_N = np.arange(count) % _LABELS
    hours_T = np.linspace(0.0, 1.0, _TASK.window_shape[0])
    slope_N = np.array([0.0, -6.0, 5.0])[labels_N]
    temperature_NT = 22 + generator.normal(0, 1, (count, 1)) + slope_N[:, None] * hours_T
    humidity_NT = 60 - 4 * (temperature_NT - 22) + generator.normal(0, 3, (count, 1))
    values_NTC = np.stack([temperature_NT, humidity_NT], 2)
    values_NTC += generator.normal(0, 0.3, values_NTC.shape)
    return Windows(
        values_NTC.astype(np.float32), labels_N, np.zeros(count, np.int64), (f"day-{seed}",)
    )
