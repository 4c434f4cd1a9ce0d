"""From ``conf/server.yaml``, a file over it and overrides, to the server's objects."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flwr.serverapp import Grid
from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fl_common.build import build
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_server.build import FleetFacts, build_federation, build_plan
from fl_server.cloud.children import Restarting
from fl_server.cloud.home import CloudHome
from fl_server.strategy import Federation

Config = Mapping[str, Any]
_POLL_S = 0.2


def read_config(file: Path | None, overrides: Sequence[str]) -> Config:
    """The resolved configuration; ``file`` stands over the shipped one, ``overrides`` over both.

    Raises:
        InvalidConfiguration: a key that there is not, or no YAML.
    """
    try:
        if file is None:
            with initialize_config_module("conf", version_base="1.3"):
                config = compose("server", overrides=list(overrides))
        elif file.is_file():
            with initialize_config_dir(str(file.absolute().parent), version_base="1.3"):
                path = "hydra.searchpath=[pkg://conf]"
                config = compose(file.stem, overrides=[path, *overrides])
        else:
            raise InvalidConfiguration(f"--config={file}", "is not a file", "Give a YAML file")
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        words = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise InvalidConfiguration(
            f"configuration {file or 'conf/server.yaml'}", words, "See conf/server.yaml"
        ) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def home_of(config: Config) -> CloudHome:
    """The server's folder."""
    return CloudHome(Path(config["home"]).absolute())


def build_restarting(config: Config) -> Restarting:
    """How children that ended are started again."""
    restarting: Restarting = build(config["restart"])
    return restarting


@dataclass(frozen=True)
class Planned:
    """A run that is to be carried out, and where its files are."""

    plan: RunPlan
    federation: Federation
    folder: Path


def build_run(config: Config, wait: Callable[[float], None] = time.sleep) -> Planned:
    """The configured run, under the identity it began with if it did.

    Raises:
        InvalidConfiguration: a value that breaks a rule.
    """
    folder = home_of(config).runs / str(config["run"])
    identity = _identity(folder, str(config["run"]))
    facts = FleetFacts(config["sites"], None, None)
    planned = build_plan({**config, "seed": config["seed"] or 0}, identity, _task(config), facts)
    plan = replace(planned, seed=config["seed"])
    least = config["sites"]

    def roster(grid: Grid) -> Sequence[int]:
        """The nodes that are there, as soon as there are enough for a round."""
        while len(nodes := sorted(grid.get_node_ids())) < least:
            wait(_POLL_S)
        return nodes

    return Planned(plan, build_federation(config, plan, roster), folder)


def _task(config: Config) -> Any:
    return build(config["task"])


def _identity(folder: Path, name: str) -> str:
    """The run's name and when it began: another run of the same name is another run."""
    record = folder / "run.json"
    if record.is_file():
        return str(json.loads(record.read_text())["run"])
    folder.mkdir(parents=True, exist_ok=True)
    identity = f"{name}-{time.time_ns():x}"
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps({"run": identity}))
    partial.replace(record)
    return identity
