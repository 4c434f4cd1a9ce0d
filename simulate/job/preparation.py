"""From a configuration to a run that is ready to start: fully checked, nothing written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_server.build import build_federation, check_sampling, rate_said, with_net
from fl_server.rounds.comparison import Incumbent
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import NOT_COMPARED
from fl_server.rounds.threshold import ThresholdSurvey
from fl_server.rounds.warm_start import WarmStart, check_no_survey_after, warm_start
from models.export import check_exportable
from models.nets import Net, build_net
from models.nets.choice import Choice
from simulate.engines.protocol import SimulatedFleet, SimulationEngine
from simulate.home import Home, Origin, RunRecord
from simulate.job.checks import check_held_out, check_net, check_trainer
from simulate.job.continuation import record_of
from simulate.job.planning import plans_of
from simulate.job.publication import Publication
from simulate.job.settings import settings_of
from simulate.world import PRIVATE, TestSet, World, notes_of, scale_source_of
from simulate.world.build import open_world, world_yaml


@dataclass(frozen=True)
class Preparation:
    """Everything that a run needs, from its plan to its net.

    ``notes`` are told in each round, and ``data`` once: how the data were read, and what the run
    goes on from. ``record`` keeps the settings that decide its result. ``config`` is the run's,
    with the network of ``choice`` if it asked for one; ``rate`` is the learning rate, likewise.
    ``start`` is where its first parameters came from, if not from chance. ``survey`` finds the
    center and scale of the task before the first round, if the world does not declare them; until
    then they are what is declared. ``threshold`` finds above which score a window is anomalous,
    after the last round, where scores are learnt.
    """

    config: Config
    choice: Choice | None
    rate: str | None
    federation: Federation
    engine: SimulationEngine
    fleet: SimulatedFleet
    net: Net
    test: TestSet
    publication: Publication
    notes: Sequence[str]
    data: Sequence[str]
    record: RunRecord
    start: WarmStart | None
    survey: Federation | None = None
    threshold: ThresholdSurvey | None = None

    @property
    def plan(self) -> RunPlan:
        """The plan that the federation carries out."""
        return self.federation.plan

    @property
    def sites(self) -> int:
        """The number of sites."""
        return len(self.fleet.world.sites)


def prepare(config: Config, home: Home, origin: Origin) -> Preparation:
    """The run of ``config`` in ``home``: what every site would refuse is refused here.

    ``origin`` is that of a new run.

    Raises:
        JoinTheDotsError: a value, or a combination of some, that can't be carried out.
    """
    engine: SimulationEngine = build(config["engine"], at="engine")
    publication = Publication(config["publish"], home.repository)
    world = open_world(world_yaml(config))
    begun = home.read_record() if config["resume"] else None
    surveyed = scale_source_of(world) == PRIVATE
    config, choice = with_net(config, world.task, scaled=surveyed)
    plans = plans_of(config, world, begun, compares=publication.is_shared)
    net, start = _net(config, plans.run)
    if start is not None:
        plans = plans.begun_with(start.parameter_digest)
    plan, beside = plans.run, plans.beside
    check_trainer(config["training"]["trainer"], plan.privacy)
    incumbent, notes = _incumbent(config, publication, plan, is_scaled=surveyed)
    federation = build_federation(config, plan, engine.roster(world.sites), incumbent, beside)
    check_sampling(federation, world.sites)
    if surveyed:
        check_no_survey_after(start, "world")
    check_held_out(config, world.sites, test := world.test())
    settings = settings_of(config, plan, world, net)
    record, said = record_of(f"resume={home.folder}", begun, plan, settings, origin, beside)
    return Preparation(
        config=config,
        choice=choice,
        rate=rate_said(config, plan, len(world.sites)),
        federation=federation,
        engine=engine,
        fleet=_fleet(config, world, home, publication, plan),
        net=net,
        test=test,
        publication=publication,
        notes=notes,
        data=_told(world, said, start, plan),
        record=record,
        start=start,
        survey=plans.survey(federation, len(world.sites)),
        threshold=plans.threshold(federation, len(world.sites)),
    )


def _told(world: World, said: Sequence[str], start: WarmStart | None, plan: RunPlan) -> list[str]:
    """How the data were read, what the run goes on from, and where its parameters came from."""
    of_start = [] if start is None else [start.unlike(plan.task), str(start)]
    return [*(f"data: {note}" for note in notes_of(world)), *said, *filter(None, of_start)]


def _fleet(
    config: Config, world: World, home: Home, publication: Publication, plan: RunPlan
) -> SimulatedFleet:
    return SimulatedFleet(
        world=world,
        world_yaml=world_yaml(config),
        trainer_yaml=yaml_of(config["training"]["trainer"]),
        ledger=home.ledger,
        folder=home.folder,
        open_repository=publication.repository,
        model=publication.name_of(plan),
    )


def _incumbent(
    config: Config, publication: Publication, plan: RunPlan, *, is_scaled: bool
) -> tuple[Incumbent | None, list[str]]:
    """The model that the run's is compared with, and why there is none where one was expected.

    With ``is_scaled`` a survey will change what a window's values mean: no older model knows them.
    """
    found = NOT_COMPARED if is_scaled else publication.incumbent(plan)
    if not isinstance(found, str):
        return found, []
    expected = config["evaluation"]["every"] is not None
    return None, [f"the model is not compared with production: {found}"] if expected else []


def _net(config: Config, plan: RunPlan) -> tuple[Net, WarmStart | None]:
    """The network with its first parameters, and where those came from, if not from chance."""
    net = build_net(plan.net, plan.task, plan.seed or 0)
    start = warm_start(config, net, plan.task)
    check_net(net, plan.privacy, plan.task)
    check_exportable(net, plan.task)
    return net, start


def yaml_of(node: Config) -> str:
    """A node of a configuration as YAML: small enough to be sent to other processes."""
    values: dict[str, Any] = dict(node)
    return OmegaConf.to_yaml(OmegaConf.create(values))
