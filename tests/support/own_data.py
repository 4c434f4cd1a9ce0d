"""The world of ``task=arrays`` on a file, with nothing declared but what a test says."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from simulate.configuration.composition import resolved
from simulate.job.preparation import yaml_of
from simulate.world import World
from simulate.world.arrays import Arrays
from simulate.world.build import open_world
from simulate.world.partition import Column, Rule

_NULL = (
    "declared",
    "site",
    "label",
    "channels",
    "labels",
    "units",
    "rate_hz",
    "center",
    "scale",
    "range",
)


def world(
    path: Path, sites: int | None = None, partition: Rule | None = None, **declared: Any
) -> Arrays:
    """The world of ``data.path=path sites=SITES``, and the other values as they are shipped."""
    values: dict[str, Any] = {
        **dict.fromkeys(_NULL),
        "name": "arrays",
        "missing": "refuse",
        "kind": {},
    }
    rule = partition or Column(0, None)
    return Arrays(str(path), sites, rule, **{**values, "windows_per_reading": 1, **declared})


def world_of(config: DictConfig) -> World:
    """The world of a run's configuration."""
    return open_world(yaml_of(resolved(config)["world"]))
