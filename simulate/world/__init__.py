"""Data sets as worlds of sites: each has a task, sites with private windows, and a test set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers, Task, Windows

__all__ = [
    "TestSet",
    "World",
    "check_no_survey",
    "notes_of",
    "scale_source_of",
]


DECLARED, PUBLIC, PRIVATE = "declared", "public", "private"
"""Where a task's center and scale are from."""


@dataclass(frozen=True)
class TestSet:
    """The researcher's test windows, in groups (people, or the sites' own held-out windows).

    ``group_of`` (N,) is an index into ``groups``. One group where the data have no such division.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    windows: Windows
    group_of: Integers
    groups: tuple[str, ...]


class World(Protocol):
    """A data set divided into sites. ``windows`` may be lazy; nothing is built per site before."""

    @property
    def task(self) -> Task:
        """The learning task on these data."""
        ...

    @property
    def sites(self) -> Sequence[str]:
        """Names of the sites, in order; may be a lazy sequence of a million."""
        ...

    def windows(self, index: int) -> Windows:
        """Training windows of site ``index``; the same object each time while it is cached."""
        ...

    def test(self) -> TestSet:
        """The central test set."""
        ...


def scale_source_of(world: World) -> str:
    """Where the task's center and scale are from: declared, public (ranges), or private.

    Private: what is declared is a start, and a survey under the run's privacy finds them.
    """
    return str(getattr(world, "scale_source", DECLARED))


def check_no_survey(world: World, why: str) -> None:
    """Raise InvalidConfiguration where a survey is to find the scale; ``why`` it can't here."""
    if scale_source_of(world) == PRIVATE:
        raise InvalidConfiguration(
            "world.scale=private",
            f"can't be used for {why}",
            "Give what a run has found (world.center and world.scale), or world.scale=public",
        )


def notes_of(world: World) -> tuple[str, ...]:
    """What ``world`` guessed or left out when it was read; a world need not say anything."""
    return tuple(getattr(world, "notes", ()))
