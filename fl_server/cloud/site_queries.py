"""Queries of ``fl-server`` to sites: which components they run, and how a candidate performs.

The results are signed and kept beside the repository, where ``fl-repo log`` shows them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from flwr.serverapp import Grid

from fl_common.components.description import Component, Kind, Stage
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.files.whole import locked
from fl_common.plan import RunPlan
from fl_common.vocabulary import RunningComponents
from fl_server.build import build_quorum
from fl_server.cloud.build import home_of
from fl_server.cloud.home import CloudHome
from fl_server.cloud.planning import build_run, connected
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import superlink_of
from fl_server.repository.build import load_configuration, open_repository
from fl_server.repository.incumbents import component_name
from fl_server.repository.store.observations import RUNNING, SHADOW, Observation, observe
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.exchange import Deadlines
from fl_server.rounds.roster import Member
from fl_server.rounds.shadow import ShadowMetrics, running_on_sites, shadow_on_sites

_POLL_S = 0.2


def ask_running(config: Config) -> Observation:
    """Ask the connected sites which components they run, and keep the signed result.

    Raises:
        InvalidConfiguration: a run is in progress.
        RunFailed: the server is not running, or no site is connected.
    """
    home, repository = home_of(config), _repository(config)
    with _grid(config, home) as (grid, members):
        running, errors = running_on_sites(grid, members, _deadlines(config))
    told, asked = _disclosed(running), {member.site for member in members}
    values = {
        "sites": {site: list(one.components) for site, one in told.items()},
        "on_trial": {site: list(one.on_trial) for site, one in told.items()},
        "untold": sorted(asked - told.keys()),
        "away": sorted(Sites(home.sites).enrolled().keys() - asked),
        "errors": errors,
    }
    return _kept(repository, RUNNING, None, values)


def ask_shadow(config: Config, name: str | None) -> Observation:
    """Collect counts from the connected sites of testing's model ``name`` in the shadow.

    The configured run's plan applies: each site charges its ledger for its reply. None: the model
    of the run's task.

    Raises:
        InvalidConfiguration: a run is in progress, the plan has no noise for counts, or there is no
            candidate.
        RunFailed: the server is not running, no site is connected, or none gave counts.
    """
    repository, plan = _repository(config), _plan(config)
    candidate = _candidate(repository, name or component_name(plan.task.name))
    about = (plan, plan.rounds + 1, candidate.digest)
    with _grid(config, home_of(config)) as (grid, members):
        metrics = shadow_on_sites(grid, *about, members, _deadlines(config))
    if not metrics.given:
        raise RunFailed(f"No site gave counts of {candidate}: {_first_reason(metrics)}")
    return _kept(repository, SHADOW, candidate.digest, metrics.figures())


def _repository(config: Config) -> ComponentRepository:
    return open_repository(None, config["publish"]["keys"], home_of(config).components)


def _plan(config: Config) -> RunPlan:
    if config["run"] is None:
        raise InvalidConfiguration(
            "run=null", "has no plan that a site could reply under", "Give run=NAME"
        )
    configured = build_run(config)
    plan = configured.plan
    if plan.evaluation is None and not plan.privacy.counts_are_public:
        raise InvalidConfiguration(
            f"run={config['run']}",
            "has a plan without noise for counts, and each site would refuse",
            "Do a run with evaluation=federated",
        )
    scaled, _ = configured.surveyed(partial(_unfinished, config["run"]))
    return scaled.plan


def _unfinished(run: str) -> NoReturn:
    """Raise InvalidConfiguration: a query does not begin a survey, nor go on with one."""
    raise InvalidConfiguration(
        f"run={run}", "has not found its scale yet", "Ask when it has ended: fl-server status"
    )


def _candidate(repository: ComponentRepository, name: str) -> Component:
    entry = repository.entry(Kind.MODEL, name, Stage.TESTING)
    if entry is None or entry.retired:
        raise InvalidConfiguration(
            f"model {name}", "is not in testing", "See what is there: fl-repo list"
        )
    return entry.component


@contextmanager
def _grid(config: Config, home: CloudHome) -> Iterator[tuple[Grid, Sequence[Member]]]:
    """A separate grid for these queries, and the connected sites."""
    status = home.read_status()
    runner = status["children"].get("runner")
    if status["running"] and runner is not None and not runner["done"]:
        raise InvalidConfiguration(
            f"run={status['run']}",
            "is in progress, and Flower has one run at a time here",
            "Try again when it has ended: fl-server status",
        )
    link = superlink_of(config, home)
    seconds = load_configuration(None)["lock_seconds"]
    asking = locked(home.folder / ".asking", seconds)
    with asking, link.run(home.ledger_heads) as grid:  # a new run ends others
        members = connected(config, grid)
        if not members:
            raise RunFailed("No site is connected. See: fl-server status")
        yield grid, members


def _deadlines(config: Config) -> Deadlines:
    timeout_s = config["strategy"]["round_timeout_s"]
    return Deadlines(timeout_s, _POLL_S, quorum=build_quorum(config))


def _disclosed(running: dict[str, RunningComponents]) -> dict[str, RunningComponents]:
    return {site: one for site, one in running.items() if one.told}


def _first_reason(metrics: ShadowMetrics) -> str:
    reasons = [f"{one.site} refuses ({one.reason}): {one.detail}" for one in metrics.refusals]
    return (reasons + metrics.errors)[0]


def _kept(
    repository: ComponentRepository, what: str, component: str | None, values: dict[str, Any]
) -> Observation:
    observation = Observation(what, component, values, repository.now())
    observe(repository, observation)
    return observation
