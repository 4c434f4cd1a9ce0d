"""The command ``python -m simulate audit``: from a configuration to a verdict."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import rich.console
import torch

from fl_client.training import Trainer
from fl_client.training.randomness import derive_seed
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_server.build import build_federation, build_plan
from simulate.audit.canaries import Canaries, WorldWithCanaries, draw_canaries
from simulate.audit.checks import Check
from simulate.audit.examination import examine
from simulate.audit.experiment import Experiment
from simulate.audit.guesses import GuessRule
from simulate.audit.report import show, write
from simulate.build import fleet_facts
from simulate.engines.members import roster_of
from simulate.home import Home
from simulate.world import World, check_no_survey
from simulate.world.build import open_world, world_yaml

_STANDING_OUT = 64
"""Canaries that the direct tests use."""


def audit(config: Config, home: Home, output: rich.console.Console) -> int:
    """Audit the plan of ``config``: shown on ``output``, and audit.json in ``home``.

    Returns:
        The exit status: 1 if a direct test fails, or the bound exceeds the epsilon that the site's
        ledger claims.

    Raises:
        JoinTheDotsError: an invalid configuration, or a run that failed.
    """
    home.check_unused()
    torch.set_num_threads(1)  # as in any run on one worker
    settings = config["audit"]
    rule = GuessRule(tuple(settings["guess_shares"]), settings["confidence"])
    experiment = _experiment(config)
    trainer, plan = (
        build(config["training"]["trainer"], at="training.trainer"),
        experiment.federation.plan,
    )
    with output.status("") as status:
        found = experiment.audit(
            trainer,
            rule,
            _delta(plan, settings),
            home,
            lambda report: status.update(f"round {report.round} of {plan.rounds}"),
        )
        found = replace(found, checks=_examined(experiment, trainer, home, status.update))
    path = home.folder / "audit.json"
    write(path, found)
    show(found, path, output)
    return 1 if found.is_refuted else 0


def _experiment(config: Config) -> Experiment:
    if config["resume"]:
        raise InvalidConfiguration(
            f"resume={config['resume']}", "can't be used here: an audit is one run", "Leave it out"
        )
    world = open_world(world_yaml(config))
    check_no_survey(world, "an audit, which has the rounds of training alone")
    position = _position(config["audit"]["site"], world)
    canaries = _canaries(config, world)
    plan = _plan(config, WorldWithCanaries(world, position, canaries))
    federation = build_federation(config, plan, roster_of(world.sites))
    return Experiment(federation, world, position, canaries)


def _examined(
    experiment: Experiment, trainer: Trainer, home: Home, on_step: Callable[[str], None]
) -> tuple[Check, ...]:
    own, canaries = experiment.world.windows(experiment.position), experiment.canaries.windows
    few = canaries.take(np.arange(min(len(canaries), _STANDING_OUT)))
    return examine(experiment.federation.plan, trainer, own, few, home.folder / "probes", on_step)


def _position(given: object, world: World) -> int:
    if isinstance(given, int) and 0 <= given < len(world.sites):
        return given
    raise InvalidConfiguration(
        f"audit.site={given}",
        f"must be the position of a site, 0 to {len(world.sites) - 1}",
        "Set it to 0",
    )


def _canaries(config: Config, world: World) -> Canaries:
    """Coins and canaries: reproducible with a seed, otherwise from the operating system."""
    settings, seed = config["audit"], config["seed"]
    generator = np.random.default_rng(None if seed is None else derive_seed(seed, "canaries"))
    return draw_canaries(
        settings["canary"], world.task, settings["canaries"], settings["amplitude"], generator
    )


def _plan(config: Config, world: World) -> RunPlan:
    """The run's plan; ``seed: null`` draws batches and noise as a device does."""
    seed = config["seed"]
    seeded = {**config, "seed": 0 if seed is None else seed}
    plan = build_plan(seeded, uuid.uuid4().hex, world.task, fleet_facts(world))
    if plan.privacy.update_mechanism is not None:
        raise InvalidConfiguration(
            f"privacy.unit={plan.privacy.unit}",
            "can't be audited by windows: its canaries would be whole sites",
            "Set privacy=window or privacy=none",
        )
    return replace(plan, seed=seed)


def _delta(plan: RunPlan, settings: Config) -> float:
    """The plan's delta; without DP there is none, and the bound is taken at the audit's own."""
    promise = plan.privacy.guarantee
    delta: float = promise.delta if promise else settings["delta_without_dp"]
    return delta
