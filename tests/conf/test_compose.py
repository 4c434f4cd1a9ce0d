"""Every option of every configuration group can be chosen, alone, on the command line."""

from functools import cache

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from tests.support.sources import ROOT

CONF = ROOT / "conf"
OPTIONS = sorted(
    f"{path.parent.relative_to(CONF).as_posix()}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF
)


OF_A_NODE = ("functions", "sensors", "transports")
"""Groups of ``node.yaml``; the others are those of ``config.yaml``."""
OF_A_SENSOR = "decoders"
"""The group that has no place in ``node.yaml`` before a sensor takes it."""


@cache
def composed(*overrides: str) -> DictConfig:
    """The configuration as the shipped package ``conf`` gives it."""
    with initialize_config_module("conf", version_base="1.3"):
        group, _, name = overrides[0].partition("=") if overrides else ("", "", "")
        if group == OF_A_SENSOR:
            return compose("node", overrides=[f"+{group}@sensors.own.decoder={name}"])
        of_a_node = any(override.partition("=")[0] in OF_A_NODE for override in overrides)
        return compose("node" if of_a_node else "config", overrides=list(overrides))


def test_every_group_has_options() -> None:
    groups = {option.partition("=")[0] for option in OPTIONS}
    folders = {p.relative_to(CONF).as_posix() for p in CONF.rglob("*") if p.is_dir()}
    assert groups
    assert groups == {folder for folder in folders if "__pycache__" not in folder}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_composes(option: str) -> None:
    config = composed(option)
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    assert OmegaConf.missing_keys(config) == set()
