"""Builds the configured run: its plan, under its original identity, and its federation."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from flwr.serverapp import Grid

from fl_common.configuration.rules import Config, one_of, optional, require
from fl_common.configuration.settings import check_same
from fl_common.files.whole import write_whole
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_common.privacy.accounting import Spend
from fl_common.vocabulary import Parameters
from fl_server.build import FleetFacts, build_federation, build_plan, settings_of
from fl_server.cloud.beginning import Beginning, beginning_of, keep_beginning
from fl_server.cloud.build import RUN, home_of
from fl_server.cloud.gathering import Gathering
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import superlink_of
from fl_server.cloud.surveying import scaled_by_survey, threshold_by_survey
from fl_server.rounds.checkpoint import load_latest
from fl_server.rounds.roster import Member
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import NOT_COMPARED
from fl_server.rounds.surveyed import plans_with
from fl_server.rounds.threshold import ThresholdSurvey
from models.tasks.shaped import shaped_by

_IDENTITY, _SETTINGS = "run.json", "settings.json"


@dataclass(frozen=True)
class ConfiguredRun:
    """A run that is to be performed, and the paths of its files."""

    plan: RunPlan
    federation: Federation
    folder: Path
    survey: Federation | None = None
    """What goes before the run: a survey of the center and scale of its task."""
    threshold: ThresholdSurvey | None = None
    """What goes after it: a survey of its scores, where its task has such."""
    beginning: Beginning | None = None
    """What it begins with, where that is an earlier model."""

    @property
    def not_compared(self) -> str | None:
        """Why no model in production can be compared with the run's; None: one may."""
        return NOT_COMPARED if self.survey else None

    def surveyed(
        self, connect: Callable[[], AbstractContextManager[Any]]
    ) -> tuple["ConfiguredRun", dict[str, Any]]:
        """The run for its task as the survey scales it, and what the model says of that."""
        if self.survey is None:
            return self, {}
        about = (self.survey, self.plan.task, self.folder / "scale", connect)
        task, told = scaled_by_survey(*about)
        plan, threshold = replace(self.plan, task=task), self.threshold
        federation = replace(self.federation, plan=plan)
        threshold = threshold and threshold.of_task(task)
        return replace(self, plan=plan, federation=federation, threshold=threshold), told

    def thresholded(
        self, scored: Parameters, connect: Callable[[], AbstractContextManager[Any]]
    ) -> tuple[Parameters, dict[str, Any]]:
        """The parameters that the run has ended with, and what the model says beside them.

        Where scores are learnt, they get the threshold that a survey finds.

        Raises:
            RunFailed: too few sites answered it.
        """
        if self.threshold is None:
            return scored, {}
        return threshold_by_survey(self.threshold, scored, self.folder / "threshold", connect)


def build_run(config: Config, wait: Callable[[float], None] = time.sleep) -> ConfiguredRun:
    """The configured run, under its original identity if it has begun.

    Raises:
        InvalidConfiguration: a value that breaks a rule.
    """
    require("run", config["run"], RUN)
    folder = home_of(config).runs / config["run"]
    return _configured(config, folder, identity_of(folder, config["run"]), wait)


def check_run(config: Config) -> None:
    """Raise InvalidConfiguration where ``build_run`` would, or the run began with other settings.

    Nothing is written.
    """
    require("run", config["run"], RUN)
    folder = home_of(config).runs / config["run"]
    kept = known_identity(folder)
    configured = _configured(config, folder, kept or config["run"], time.sleep)
    if kept is not None:
        check_settings(configured, config)


def _configured(
    config: Config, folder: Path, identity: str, wait: Callable[[float], None]
) -> ConfiguredRun:
    facts = FleetFacts(config["sites"], None, None)
    require("scale", config["scale"], optional(one_of(("private",))))
    survey = f"{identity}-scale" if config["scale"] == "private" else None
    task = build(config["task"], at="task")
    if config["shape"] is not None:
        task = shaped_by(task, config["shape"])
    about = (config, identity, task, facts)

    def made(beside: tuple[Spend, ...]) -> RunPlan:
        return build_plan(*about, compares=True, beside=beside)

    plans = plans_with(made, config, task, survey, f"{identity}-threshold")
    if (beginning := beginning_of(config, folder, plans.run)) is not None:
        plans = plans.begun_with(beginning.start.parameter_digest)

    def roster(grid: Grid) -> Sequence[Member]:
        """The connected sites, as soon as there are enough for a round."""
        return gather(partial(connected, config, grid, gather.least))

    federation = build_federation(config, plans.run, roster, beside=plans.beside)
    gather = Gathering(config["sites"], federation.quorum, federation.sampling, wait=wait)
    surveys = (
        plans.survey(federation, config["sites"]),
        plans.threshold(federation, config["sites"]),
    )
    return ConfiguredRun(plans.run, federation, folder, *surveys, beginning)


def connected(config: Config, grid: Grid, least: int = 1) -> list[Member]:
    """The enrolled sites that are connected to ``grid``, by node; none of fewer than ``least``.

    Who waits for more need not ask the SuperLink whose keys they have.
    """
    home, online = home_of(config), set(grid.get_node_ids())
    if len(online) < least:
        return []
    nodes = superlink_of(config, home).nodes()
    return [member for member in Sites(home.sites).members(nodes) if member.node in online]


def keep_settings(run: ConfiguredRun, config: Config) -> None:
    """Keep the settings that a run begins with by ``config``; one that has begun has the same.

    Raises:
        InvalidConfiguration: it began with others.
    """
    if not check_settings(run, config):
        settings = _settings(run, config)
        write_whole(run.folder / _SETTINGS, json.dumps(settings, indent=1).encode())
    keep_beginning(run.folder, run.beginning)


def check_settings(run: ConfiguredRun, config: Config) -> bool:
    """Whether the run has begun, and then with the settings of ``config``.

    Raises:
        InvalidConfiguration: it began with others.
    """
    try:
        kept = json.loads((run.folder / _SETTINGS).read_text())
    except (OSError, ValueError):  # none yet, or cut by a crash
        return False
    check_same(f"run={run.folder.name}", kept, _settings(run, config))
    return True


def _settings(run: ConfiguredRun, config: Config) -> dict[str, Any]:
    began = ("init", "init_keep", "init_stir") if config["init"] is not None else ()
    settings = {**settings_of(config, run.plan), **{key: config[key] for key in began}}
    if run.threshold is not None:
        settings["threshold_epsilon"] = config["threshold_epsilon"]
    return settings


def identity_of(folder: Path, name: str) -> str:
    """The run's name and start time, so that two runs of the same name stay distinct."""
    identity = known_identity(folder) or f"{name}-{time.time_ns():x}"
    if _recorded(folder) is None:
        write_whole(folder / _IDENTITY, json.dumps({"run": identity}).encode())
    return identity


def known_identity(folder: Path) -> str | None:
    """The identity of the run that was begun in ``folder``; None: none was."""
    if (recorded := _recorded(folder)) is not None:
        return recorded
    kept = load_latest(folder / "checkpoints")  # has it, too
    return None if kept is None else kept.run


def _recorded(folder: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / _IDENTITY).read_text())["run"])
    return None
