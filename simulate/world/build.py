"""From configuration to a world, with nothing of what trains on it."""

from functools import cache

from omegaconf import DictConfig, OmegaConf

from fl_common.plugins.build import build
from fl_common.plugins.kinds import WORLD
from simulate.world import World


@cache
def open_world(node_yaml: str) -> World:
    """The world of a configuration node (as YAML); opened once in a process."""
    node = OmegaConf.create(node_yaml)
    assert isinstance(node, DictConfig)
    world: World = build(node, WORLD, at="world")
    return world
