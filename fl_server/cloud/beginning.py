"""What a run on real sites begins with, where that is an earlier model: kept from the first start.

The file or the model that was named may be gone, or be another, when a run goes on. So the first
parameters, and what is known of them, are kept in the run's own folder before its first round.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from fl_common.components.description import Kind, Stage
from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import Config, Rule, optional, require
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.safetensors import read_safetensors, write_safetensors
from fl_common.params import digest
from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters
from fl_server.cloud.build import home_of
from fl_server.repository.build import open_repository
from fl_server.repository.incumbents import component_name, find_incumbent
from fl_server.rounds.blend import Blend, blend_of
from fl_server.rounds.warm_start import (
    Earlier,
    WarmStart,
    check_no_survey_after,
    started,
    warm_start,
)
from models.nets import Net, build_net, parameters_of

PRODUCTION = "production"
"""The value of ``init`` that names the model in production of the server's own repository."""
_INIT = Rule("must be a path, or production", lambda value: isinstance(value, str) and value != "")
_START = "start"


@dataclass(frozen=True)
class Beginning:
    """First ``parameters`` of an earlier model, and where they came from."""

    parameters: Parameters
    start: WarmStart

    def said(self, plan: RunPlan) -> Iterator[str]:
        """What a person should know of it: where windows mean something else, and the lineage."""
        if (unlike := self.start.unlike(plan.task)) is not None:
            yield unlike
        yield str(self.start)


def beginning_of(config: Config, folder: Path, plan: RunPlan) -> Beginning | None:
    """What the configured run of ``plan`` in ``folder`` begins with; None: with chance.

    Raises:
        InvalidConfiguration: ``init`` names no parameters of such a network.
        InvalidData: there are none, or the file is damaged.
    """
    require("init", config["init"], optional(_INIT))
    if (kept := _place(folder)).is_file():
        return _kept(kept)
    blend = blend_of(config)
    if config["init"] is None:
        return None
    net = build_net(plan.net, plan.task, _seed(config, plan))
    if config["init"] == PRODUCTION:
        start: WarmStart | None = _in_production(config, plan, net, blend)
    else:
        start = warm_start(config, net, plan.task, ledgers=_is_own(config))
    assert start is not None, "init names something"
    if config["scale"] is not None:
        check_no_survey_after(start, "task")
    return Beginning(parameters_of(net), start)


def keep_beginning(folder: Path, beginning: Beginning | None) -> None:
    """Keep what a run in ``folder`` begins with, unless it is kept."""
    kept = _place(folder)
    if beginning is not None and not kept.is_file():
        about = {_START: json.dumps(asdict(beginning.start))}
        write_safetensors(kept, beginning.parameters, about)


def _seed(config: Config, plan: RunPlan) -> int:
    """Of the new parameters that earlier ones are mixed with: others in each run."""
    if config["seed"] is not None:
        return int(config["seed"])
    return int.from_bytes(sha256(plan.run.encode()).digest()[:4], "big")


def _is_own(config: Config) -> bool:
    """Whether ``init`` is the folder of a run of this server, or in it."""
    runs = home_of(config).runs.resolve()
    return from_home(str(config["init"])).resolve().is_relative_to(runs)


def _place(folder: Path) -> Path:
    return folder / "init.safetensors"


def _kept(path: Path) -> Beginning:
    parameters, about = read_safetensors(path)
    try:
        beginning = Beginning(parameters, WarmStart(**json.loads(about[_START])))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(
            str(path), f"is not what a run began with ({error})", "Begin another run: set run=NAME"
        ) from error
    if digest(parameters) != beginning.start.parameter_digest:
        raise InvalidData(
            str(path), "is not what the run began with", "Begin another run: set run=NAME"
        )
    return beginning


def _in_production(config: Config, plan: RunPlan, net: Net, blend: Blend) -> WarmStart:
    """Give ``net`` the parameters of the model in production of the server's own repository."""
    components = home_of(config).components
    repository = open_repository(None, config["publish"]["keys"], components)
    name, found = component_name(plan.task.name), find_incumbent(repository, plan)
    entry = repository.entry(Kind.MODEL, name, Stage.PRODUCTION)
    if entry is None or found is None or isinstance(found, str):
        raise InvalidConfiguration(
            f"init={PRODUCTION}",
            f"can't be done: {found or f'no model {name} is in production'}",
            "Promote one (fl-repo promote), or leave init out",
        )
    about = entry.component.description
    facts = about.get("run"), about.get("rounds"), about.get("privacy")
    earlier = Earlier(found.parameters, *facts)
    return started(str(entry.component), earlier, net, blend, ledgers=True)
