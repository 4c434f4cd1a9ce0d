"""From a configuration to a run that is ready to start: fully checked, nothing written."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_server.build import build_federation, build_plan, check_sampling
from fl_server.rounds.strategy import Federation
from models.nets import Net, build_net
from simulate.build import fleet_facts
from simulate.checks import check_held_out, check_private
from simulate.engines.protocol import SimulatedFleet, SimulationEngine
from simulate.home import Home
from simulate.publication import Publication
from simulate.world import TestSet
from simulate.world.build import open_world


@dataclass(frozen=True)
class Preparation:
    """Everything that a run needs, from its plan to its net; ``notes`` are told in each round."""

    federation: Federation
    engine: SimulationEngine
    fleet: SimulatedFleet
    net: Net
    test: TestSet
    publication: Publication
    notes: Sequence[str]

    @property
    def plan(self) -> RunPlan:
        """The plan that the federation carries out."""
        return self.federation.plan

    @property
    def sites(self) -> int:
        """The number of sites."""
        return len(self.fleet.world.sites)


def prepare(config: Config, home: Home) -> Preparation:
    """The run of ``config`` in ``home``: what every site would refuse is refused here.

    Raises:
        JoinTheDotsError: a value, or a combination of some, that can't be carried out.
    """
    engine: SimulationEngine = build(config["engine"])
    publication = Publication(config["publish"], home.repository)
    world_yaml = yaml_of(config["world"])
    world = open_world(world_yaml)
    identity = home.read_record().run if config["resume"] else uuid.uuid4().hex
    facts, compares = fleet_facts(world), publication.is_shared
    plan = build_plan(config, identity, world.task, facts, compares=compares)
    fleet = SimulatedFleet(
        world=world,
        world_yaml=world_yaml,
        trainer_yaml=yaml_of(config["training"]["trainer"]),
        ledger=home.ledger,
        folder=home.folder,
        open_repository=publication.repository,
        model=publication.name_of(plan),
    )
    incumbent, notes = publication.incumbent(plan), list[str]()
    if isinstance(incumbent, str):
        if config["evaluation"]["every"] is not None:
            notes = [f"the model is not compared with production: {incumbent}"]
        incumbent = None
    federation = build_federation(config, plan, engine.roster(world.sites), incumbent)
    check_sampling(federation, world.sites)
    net = build_net(plan.net, plan.task, plan.seed or 0)
    check_private(net, plan.privacy, plan.task)
    test = world.test()
    check_held_out(config, world.sites, test)
    return Preparation(federation, engine, fleet, net, test, publication, notes)


def yaml_of(node: Config) -> str:
    """A node of a configuration as YAML: small enough to be sent to other processes."""
    values: dict[str, Any] = dict(node)
    return OmegaConf.to_yaml(OmegaConf.create(values))
