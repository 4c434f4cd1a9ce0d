"""Builds the configured run: its plan, under its original identity, and its federation."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flwr.serverapp import Grid

from fl_common.build import build
from fl_common.configuration import Config
from fl_common.files import write_whole
from fl_common.plan import RunPlan
from fl_server.build import FleetFacts, build_federation, build_plan
from fl_server.cloud.build import home_of
from fl_server.rounds.strategy import Federation

_POLL_S = 0.2


@dataclass(frozen=True)
class ConfiguredRun:
    """A run that is to be performed, and the paths of its files."""

    plan: RunPlan
    federation: Federation
    folder: Path


def build_run(config: Config, wait: Callable[[float], None] = time.sleep) -> ConfiguredRun:
    """The configured run, under its original identity if it has begun.

    Raises:
        InvalidConfiguration: a value that breaks a rule.
    """
    folder = home_of(config).runs / str(config["run"])
    identity = _identity(folder, str(config["run"]))
    facts = FleetFacts(config["sites"], None, None, None)
    plan = build_plan(config, identity, build(config["task"]), facts, compares=True)
    least = config["sites"]

    def roster(grid: Grid) -> Sequence[int]:
        """The connected nodes, as soon as there are enough for a round."""
        while len(nodes := sorted(grid.get_node_ids())) < least:
            wait(_POLL_S)
        return nodes

    return ConfiguredRun(plan, build_federation(config, plan, roster), folder)


def _identity(folder: Path, name: str) -> str:
    """The run's name and start time, so that two runs of the same name stay distinct."""
    record = folder / "run.json"
    if record.is_file():
        return str(json.loads(record.read_text())["run"])
    identity = f"{name}-{time.time_ns():x}"
    write_whole(record, json.dumps({"run": identity}).encode())
    return identity
