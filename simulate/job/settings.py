"""The settings that decide a simulated run's result; see ``fl_common.configuration.settings``."""

from dataclasses import replace
from importlib import metadata

from fl_common.configuration.rules import Config
from fl_common.configuration.settings import (
    DATA,
    NETWORK,
    PLAN,
    VERSION,
    Settings,
    digest_of,
    flat,
)
from fl_common.params import digest
from fl_common.plan import RunPlan
from models.nets import Net, parameters_of
from simulate.world import PRIVATE, World, scale_source_of
from simulate.world.content import content_digest

_ELSEWHERE = (
    "data",
    "engine",
    "init",
    "init_keep",
    "init_stir",
    "partition",
    "publish",
    "report",
    "resume",
    "shape",
    "sites",
)
"""Parts that say where and how fast, or that others tell: the plan, the world, and the data."""
_PLACES = ("world.declared", "world.of", "world.path", "world.root", "world.sites")
_MEMORY = "training.trainer.memory_budget_mib"
_WAITING = ("strategy.minimum_sites", "strategy.round_timeout_s")
"""They decide when a round fails: what a person changes to go on with a run that did."""
_PACKAGES = ("join-the-dots", "numpy", "torch")


def settings_of(config: Config, plan: RunPlan, world: World, net: Net) -> Settings:
    """All that decides what the run of ``config`` on ``world`` ends with, on whichever engine.

    ``net`` has its initial parameters. Values are those of the configuration, so that a difference
    is named as a person would set it.
    """
    slow = config["engine"].get("slow") or {}
    waits = slow.get("share", 0) > 0
    left_out = {*_PLACES, _MEMORY, *(() if waits else _WAITING)}
    left_out |= set() if scale_source_of(world) == PRIVATE else {"scale_epsilon"}
    chosen = flat({name: node for name, node in config.items() if name not in _ELSEWHERE})
    parts = {name: type(module).__name__ for name, module in net.named_modules()}
    return {
        **{key: value for key, value in chosen.items() if key not in left_out},
        **(flat({"engine": {"slow": slow}}) if waits else {}),
        "sites": len(world.sites),
        DATA: f"sha256 {content_digest(world)}",
        **{f"{VERSION}.{package}": metadata.version(package) for package in _PACKAGES},
        NETWORK: digest_of({"initial": digest(parameters_of(net)), **parts}),
        PLAN: replace(plan, run="").digest(),
    }
