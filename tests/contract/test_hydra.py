"""Hydra's loader, which its version 1.3 keeps private, composes as Hydra's own ``compose`` does."""

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from simulate import configure

OVERRIDES = [
    (),
    ("task=activity", "net=gru", "privacy.epsilon=4", "rounds=3"),
    ("privacy=none", "engine=deployment", "strategy=fedadam", "+publish.note='a b, c'"),
    ("experiment=har_private", "sites=null", "~training.local_epochs"),
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_a_configuration_is_that_of_hydras_compose(overrides: tuple[str, ...]) -> None:
    with initialize_config_module("conf", version_base="1.3"):
        expected = compose("config", list(overrides))
    ours = configure(*overrides)
    assert OmegaConf.to_container(ours) == OmegaConf.to_container(expected)
    assert OmegaConf.is_struct(ours)
    assert "hydra" not in ours


def test_composing_tells_hydra_itself_nothing() -> None:
    program = """
from simulate import configure
configure("rounds=1")
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
print(GlobalHydra.instance().is_initialized(), Plugins.instance().discover(SearchPathPlugin))
print(OmegaConf.has_resolver("now"), OmegaConf.has_resolver("first"))
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == ["False []", "False False"]
