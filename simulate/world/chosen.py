"""Some sites of a world, as a world of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from fl_common.vocabulary import Task, Windows
from simulate.world import TestSet, notes_of
from simulate.world.build import open_world


class Chosen:
    """The sites at ``positions`` of the world that ``world`` (a configuration node) describes.

    The test set stays whole: windows of the other sites are windows of people that no site has
    seen. It is a node of a configuration itself, so that each process can open it.
    """

    def __init__(self, world: Mapping[str, Any], positions: Sequence[int]) -> None:
        self._world = open_world(OmegaConf.to_yaml(OmegaConf.create(dict(world))))
        self._positions = tuple(positions)
        self.notes = notes_of(self._world)
        self.sites = tuple(self._world.sites[position] for position in self._positions)

    @property
    def task(self) -> Task:
        """That of the whole world."""
        return self._world.task

    def windows(self, index: int) -> Windows:
        """Training windows of the chosen site ``index``."""
        return self._world.windows(self._positions[index])

    def test(self) -> TestSet:
        """That of the whole world."""
        return self._world.test()


def node_of(world: Mapping[str, Any], positions: Sequence[int]) -> dict[str, Any]:
    """The configuration node of the sites at ``positions`` of ``world``."""
    target = f"{Chosen.__module__}.{Chosen.__qualname__}"
    return {"_target_": target, "_recursive_": False, "world": dict(world), "positions": positions}
