"""Queries of ``fl-server`` to sites: which components they run, and how a candidate performs.

The results are signed and kept beside the repository, where ``fl-repo log`` shows them.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from fl_server.cloud.runs.questions import Question, Questions
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import superlink_of
from fl_server.repository.build import load_configuration, open_repository
from fl_server.repository.incumbents import component_name
from fl_server.repository.store.observations import RUNNING, SHADOW, Observation, observe
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.exchange import Deadlines
from fl_server.rounds.roster import Member
from fl_server.rounds.shadow import ShadowMetrics, running_on_sites, shadow_on_sites

_logger = logging.getLogger(__name__)
_POLL_S = 0.2
_ROUNDS_WAITED = 2
_SLACK_S = 60.0


def ask_running(config: Config) -> Mapping[str, Any]:
    """Ask the connected sites which components they run, and keep the signed result: its values.

    Raises:
        RunFailed: the server is not running, no site is connected, or a run's process that would
            ask them has not come to the end of a round.
    """
    return _asked(config, Question(RUNNING), lambda: None)


def ask_shadow(config: Config, name: str | None) -> Mapping[str, Any]:
    """Collect counts from the connected sites of testing's model ``name`` in the shadow.

    The plan of the run that is carried out applies, or of the configured one: each site charges its
    ledger for its reply. None: the model of the run's task.

    Raises:
        InvalidConfiguration: the plan has no noise for counts, or there is no candidate.
        RunFailed: see ``ask_running``, or no site gave counts.
    """
    return _asked(config, Question(SHADOW, name), lambda: _plan(config))


class AskingBetween:
    """Asks the sites what commands want to know, which can't ask while a run is carried out.

    The run's process calls it after each round, and where it waits for sites.
    """

    def __init__(self, config: Config) -> None:
        self._config, self._questions = config, Questions(home_of(config).questions)
        self._by: tuple[Grid, RunPlan] | None = None

    @contextmanager
    def by(self, grid: Grid, plan: RunPlan) -> Iterator[None]:
        """Ask by ``grid``, for replies under ``plan``."""
        self._by = grid, plan
        try:
            yield
        finally:
            self._by = None

    def __call__(self, *_: object) -> None:
        """Ask what has come."""
        if self._by is not None:
            about = self._by
            self._questions.answer(lambda asked: answered(self._config, asked, *about))

    def wait(self, seconds: float) -> None:
        """Ask what has come, and wait."""
        self()
        time.sleep(seconds)


def answered(
    config: Config, question: Question, grid: Grid, plan: RunPlan | None
) -> Mapping[str, Any]:
    """Ask the sites that are connected to ``grid``, and keep the signed result: its values.

    A site replies for counts under ``plan``.

    Raises:
        InvalidConfiguration: there is no candidate.
        RunFailed: no site is connected, or none gave counts.
    """
    members = connected(config, grid)
    if not members:
        raise RunFailed("No site is connected. See: fl-server status")
    repository = open_repository(None, config["publish"]["keys"], home_of(config).components)
    if question.what == RUNNING or plan is None:
        values = _running(config, grid, members)
        return _kept(repository, RUNNING, None, values)
    _check_noised(plan)
    candidate = _candidate(repository, question.about or component_name(plan.task.name))
    about = (plan, plan.rounds + 1, candidate.digest)
    metrics = shadow_on_sites(grid, *about, members, _deadlines(config))
    if not metrics.given:
        raise RunFailed(f"No site gave counts of {candidate}: {_first_reason(metrics)}")
    return _kept(repository, SHADOW, candidate.digest, metrics.figures())


def _asked(
    config: Config, question: Question, plan: Callable[[], RunPlan | None]
) -> Mapping[str, Any]:
    """By the process of a run that is carried out, or here where none is."""
    home = home_of(config)
    patience_s = _ROUNDS_WAITED * config["strategy"]["round_timeout_s"] + _SLACK_S
    if _is_carried_out(home):
        _logger.info("a run is carried out: its process asks at the end of a round")
    while _is_carried_out(home):
        questions = Questions(home.questions)
        values = questions.ask(question, partial(_is_carried_out, home), patience_s)
        if values is not None:
            return values
    under = plan()
    with _grid(config, home) as grid:
        return answered(config, question, grid, under)


def _is_carried_out(home: CloudHome) -> bool:
    status = home.read_status()
    runner = status["children"].get("runner")
    return bool(status["running"] and runner is not None and not runner["done"])


def _running(config: Config, grid: Grid, members: Sequence[Member]) -> dict[str, Any]:
    running, errors = running_on_sites(grid, members, _deadlines(config))
    told, asked = _disclosed(running), {member.site for member in members}
    return {
        "sites": {site: list(one.components) for site, one in told.items()},
        "on_trial": {site: list(one.on_trial) for site, one in told.items()},
        "untold": sorted(asked - told.keys()),
        "away": sorted(Sites(home_of(config).sites).enrolled().keys() - asked),
        "errors": errors,
    }


def _plan(config: Config) -> RunPlan:
    if config["run"] is None:
        raise InvalidConfiguration(
            "run=null", "has no plan that a site could reply under", "Give run=NAME"
        )
    configured = build_run(config)
    _check_noised(configured.plan)
    scaled, _ = configured.surveyed(partial(_unfinished, config["run"]))
    return scaled.plan


def _check_noised(plan: RunPlan) -> None:
    if plan.evaluation is None and not plan.privacy.counts_are_public:
        raise InvalidConfiguration(
            f"run {plan.run}",
            "has a plan without noise for counts, and each site would refuse",
            "Do a run with evaluation=federated",
        )


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
def _grid(config: Config, home: CloudHome) -> Iterator[Grid]:
    """A separate grid for these queries."""
    link = superlink_of(config, home)
    seconds = load_configuration(None)["lock_seconds"]
    asking = locked(home.folder / ".asking", seconds)
    with asking, link.run(home.ledger_heads) as grid:  # a new run ends others
        yield grid


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
) -> dict[str, Any]:
    observe(repository, Observation(what, component, values, repository.now()))
    return values
