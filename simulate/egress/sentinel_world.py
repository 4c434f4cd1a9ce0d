"""A world whose sites hold sentinels, and some of whose sites fail.

What a failing site sends is where text might leave; the worst of them raise errors that quote their
data. Under DP it answers as a site without data does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from fl_client.components.comparison import Comparison, ShadowObservation
from fl_client.site.participation import Site
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Task, Windows
from simulate.egress.sentinels import (
    NAMES,
    READINGS,
    UNKNOWN_LABEL,
    label_run,
    planted_values,
)
from simulate.world import TestSet, World

CANDIDATE = "ca" * 32
"""The component that every site has beside production."""


def with_counts(site: Site) -> Site:
    """``site`` with ``CANDIDATE`` beside production on its windows, on days that are sentinels."""
    return replace(
        site,
        comparison=lambda candidate: Comparison(_days, _agreed),
        held_out_blocks=lambda: NAMES,
    )


def _days() -> Windows:
    places_N = np.arange(1800)
    values_N = np.zeros((len(places_N), 1), np.float32)
    return Windows(values_N, np.zeros_like(places_N), places_N % len(NAMES), NAMES)


def _agreed(values_N: Floats) -> list[ShadowObservation]:
    return [ShadowObservation(agreed=True, failed=False)] * len(values_N)


def _unknown_label(windows: Windows) -> Windows:
    labels_N = windows.labels.copy()
    labels_N[0] = UNKNOWN_LABEL
    return replace(windows, labels=labels_N)


def _one_window(windows: Windows) -> Windows:
    return windows.take(np.arange(1))


def _not_a_number(windows: Windows) -> Windows:
    values = windows.values.copy()
    values.flat[0] = np.nan
    return replace(windows, values=values)


def _unreadable_file(windows: Windows) -> Windows:
    raise InvalidData(
        f"{windows.blocks[0]}.csv, line 2: {READINGS[0]}", "is no reading", "Correct the file"
    )


def _broken_store(windows: Windows) -> Windows:
    raise OSError(f"{NAMES[0]}: {windows.values.ravel()[:6].tolist()}")


TROUBLES: Mapping[str, Callable[[Windows], Windows]] = {
    "a label that the task does not have": _unknown_label,
    "one window only": _one_window,
    "a reading that is not a number": _not_a_number,
    "a data file that can't be read, and an error that quotes it": _unreadable_file,
    "a store that fails with an error that quotes it": _broken_store,
}


class SentinelWorld:
    """``world`` with sentinels for its readings and for the names of its blocks.

    The first windows of each site have the labels of ``label_run``; the others keep theirs. The
    last sites fail, each in a different way, as long as one sound site remains.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        sites = len(world.sites)
        first = max(1, sites - len(TROUBLES))
        self.trouble_of = dict(zip(range(first, sites), TROUBLES, strict=False))

    @property
    def task(self) -> Task:
        """The world's task."""
        return self._world.task

    @property
    def sites(self) -> Sequence[str]:
        """The world's sites."""
        return self._world.sites

    def windows(self, index: int) -> Windows:
        """Planted training windows of site ``index``.

        Raises:
            InvalidData, OSError: the site's failure.
        """
        planted = _planted(self._world.windows(index), self.task)
        trouble = self.trouble_of.get(index)
        return planted if trouble is None else TROUBLES[trouble](planted)

    def test(self) -> TestSet:
        """The test set, planted: the sites' own held-out windows are private, too."""
        test = self._world.test()
        return replace(test, windows=_planted(test.windows, self.task))


def _planted(windows: Windows, task: Task) -> Windows:
    count, run = len(windows), label_run(task)
    labels_N = windows.labels.copy()
    labels_N[: len(run)] = run[:count]
    names = tuple(f"{NAMES[i % len(NAMES)]}-{i}" for i in range(len(windows.blocks)))
    return Windows(planted_values(count, task.window_shape), labels_N, windows.block_of, names)
