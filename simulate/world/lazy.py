"""Shared parts of worlds: sites that are cut on demand, and the requested number of sites."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, overload

from numpy.typing import NDArray

from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task, Windows
from simulate.world import TestSet


class LazyWorld:
    """A world whose sites' windows are made by ``cut(index)`` and kept for the last ``keep`` sites.

    ``keep`` is None where windows are views and cost nothing to keep. ``base`` are the arrays
    that decide all sites' windows, where sites are too many to be read one by one.
    """

    def __init__(
        self,
        task: Task,
        sites: Sequence[str],
        cut: Callable[[int], Windows],
        keep: int | None,
        test: TestSet,
        base: Sequence[NDArray[Any]] = (),
    ) -> None:
        self.task = task
        self.sites = sites
        self.base = base
        self._kept = lru_cache(maxsize=keep)(cut)
        self._test = test

    def windows(self, index: int) -> Windows:
        """Training windows of site ``index``; the same object each time while it is kept."""
        return self._kept(index)

    def test(self) -> TestSet:
        """The central test set."""
        return self._test


class NumberedSites(Sequence[str]):
    """``site-0000``, ``site-0001``, ...: names made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._indices = range(count)
        self._digits = len(str(max(count - 1, 0)))

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(map(self._name, self._indices[index]))
        return self._name(self._indices[index])

    def _name(self, number: int) -> str:
        return f"site-{number:0{self._digits}d}"


def part_of(windows: Windows, start: int, end: int) -> Windows:
    """Rows ``start`` to ``end`` as views."""
    rows = slice(start, end)
    return Windows(
        windows.values[rows], windows.labels[rows], windows.block_of[rows], windows.blocks
    )


def number_of_sites(asked: int | None, existing: int, task: str) -> int:
    """``asked``, or all ``existing`` sites where it is None.

    Raises:
        InvalidConfiguration: not a whole number from 1 to ``existing``.
    """
    if asked is None:
        return existing
    check_count(asked)
    if asked > existing:
        raise InvalidConfiguration(
            f"sites={asked}",
            f"must be at most {existing}, the sites that task {task} has",
            "Ask for fewer, or leave sites out to take all of them",
        )
    return asked


def check_count(sites: int) -> None:
    """Raise InvalidConfiguration unless ``sites`` is a whole number from 1."""
    require("sites", sites, whole(1))
