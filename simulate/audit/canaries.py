"""Canaries: windows that a coin toss puts into one site's data, to be detected later.

A good canary leaves a distinctive trace in the update: its gradient has a direction of its own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import above, one_of, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Task, Windows
from models.kinds import CLASSIFICATION, kind_of
from simulate.world import TestSet, World

BLOCK = "canaries"
"""The privacy block of the canaries, in addition to the site's own blocks."""


@dataclass(frozen=True)
class Canaries:
    """M canaries, and which of them are in the data: the secret that the attacker guesses."""

    windows: Windows
    included_M: NDArray[np.bool_]


Maker = Callable[[Task, int, float, np.random.Generator], tuple[Floats, NDArray[Any]]]
"""Values (M, *task.window_shape) and labels (M, ...): of a task, M, an amplitude, a generator."""


def draw_canaries(
    kind: str, task: Task, count: int, amplitude: float, generator: np.random.Generator
) -> Canaries:
    """``count`` canaries of ``kind`` (one of ``MAKERS``), and a fair coin for each.

    ``amplitude`` is in the task's scales (about one standard deviation of a reading).

    Raises:
        InvalidConfiguration: no such kind, or a number that can't be made.
    """
    require("audit.canary", kind, one_of(MAKERS))
    require("audit.canaries", count, whole(2), "Give such as 1000")
    require("audit.amplitude", amplitude, above(0), "Give such as 30")
    values, labels_M = MAKERS[kind](task, count, amplitude, generator)
    included_M = generator.random(count) < 0.5
    return Canaries(Windows(values, labels_M, np.zeros(count, np.int64), (BLOCK,)), included_M)


def dirac(
    task: Task, count: int, amplitude: float, generator: np.random.Generator
) -> tuple[Floats, NDArray[Any]]:
    """Windows at the declared center, except for one reading that stands out.

    For a linear net the gradients are at right angles to each other: what Nasr et al. 2023 ("Tight
    auditing of differentially private machine learning") put into gradients, as windows. Each
    reading gets one canary before any gets two; canaries that share one differ in their label,
    which must be one a window.
    """
    readings, labels = math.prod(task.window_shape), len(task.labels)
    is_labelled = task.kind.name == CLASSIFICATION
    most = readings * (labels - 1 if is_labelled else 1)
    if count > most:
        raise InvalidConfiguration(
            f"audit.canaries={count}",
            f"is more than a window of {readings} readings"
            f"{f' and {labels} labels' if is_labelled else ''} can tell apart",
            f"Lower it to {most}, or set audit.canary=noise",
        )
    place_M = np.resize(generator.permutation(readings), count)
    values = np.zeros((count, readings), np.float64)
    values[np.arange(count), place_M] = amplitude
    if not is_labelled:
        return _in_sensor_units(values, task), kind_of(task).drawn(count, generator)
    turn_M = np.arange(count) // readings
    labels_M = (generator.integers(0, labels, readings)[place_M] + turn_M) % labels
    return _in_sensor_units(values, task), labels_M.astype(np.int64)


def noise(
    task: Task, count: int, amplitude: float, generator: np.random.Generator
) -> tuple[Floats, NDArray[Any]]:
    """Windows of independent normal readings with random labels, for nets of any kind."""
    values = amplitude * generator.normal(size=(count, math.prod(task.window_shape)))
    return _in_sensor_units(values, task), kind_of(task).drawn(count, generator)


MAKERS: Mapping[str, Maker] = {"dirac": dirac, "noise": noise}


def _in_sensor_units(values: NDArray[np.float64], task: Task) -> Floats:
    """Undo the task's normalisation, channel by channel."""
    along_channels = [1] * len(task.window_shape)
    along_channels[task.channel_axis] = len(task.center)
    center, scale = (np.reshape(given, along_channels) for given in (task.center, task.scale))
    windows: Floats = (values.reshape(-1, *task.window_shape) * scale + center).astype(np.float32)
    return windows


class WorldWithCanaries:
    """``world``, with the included canaries after the windows of the site at ``position``."""

    def __init__(self, world: World, position: int, canaries: Canaries) -> None:
        self._world = world
        self._position = position
        included = canaries.windows.take(canaries.included_M)
        self._windows = joined(world.windows(position), included)

    @property
    def task(self) -> Task:
        """The world's task."""
        return self._world.task

    @property
    def sites(self) -> Sequence[str]:
        """The world's sites."""
        return self._world.sites

    def windows(self, index: int) -> Windows:
        """Training windows of site ``index``."""
        return self._windows if index == self._position else self._world.windows(index)

    def test(self) -> TestSet:
        """The world's test set."""
        return self._world.test()


def joined(first: Windows, second: Windows) -> Windows:
    """Both, in this order, with the blocks of both."""
    return Windows(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.block_of, second.block_of + len(first.blocks)]),
        first.blocks + second.blocks,
    )
