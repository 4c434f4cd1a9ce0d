"""From configuration to a world, with nothing of what trains on it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import TEXT, require
from fl_common.plugins.build import build
from fl_common.plugins.kinds import WORLD
from simulate.world import World

_SHAPED = "simulate.world.shaped.Shaped"


def world_yaml(config: Mapping[str, Any]) -> str:
    """The node of a whole configuration's world, as YAML: with its shape, if it has one."""
    yaml = OmegaConf.to_yaml(OmegaConf.create(dict(config["world"])))
    if config["shape"] is None:
        return yaml
    require("shape", config["shape"], TEXT)
    folder = str(from_home(config["shape"]).resolve())
    return OmegaConf.to_yaml(OmegaConf.create({"_target_": _SHAPED, "of": yaml, "folder": folder}))


@cache
def open_world(node_yaml: str) -> World:
    """The world of a configuration node (as YAML); opened once in a process."""
    node = OmegaConf.create(node_yaml)
    assert isinstance(node, DictConfig)
    world: World = build(node, WORLD, at="world")
    return world
