"""Build what functions ask: the box's own model, and networks by name."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fl_client.home import MODEL, NETWORKS
from fl_client.inference.asked import asked_engine
from fl_client.inference.engine import Engine
from fl_client.inference.networks import BoxNetworks
from fl_common.configuration.rules import SWITCH, Config, require
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions.asked import Numbers
from fl_common.vocabulary import Task

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Asked:
    """The box's own model on ``engine``, unless it has none (``predicts``), and its networks."""

    engine: Engine
    task: Task
    largest_batch: int
    networks: BoxNetworks
    predicts: bool

    def model(self, windows: Numbers, seconds: float) -> Numbers:
        """See ``Answering``."""
        if not self.predicts:
            rule = "has none of its own (components.own_model=false)"
            raise InvalidData("this box's model", rule, "Ask a network: asks in function.json")
        return asked_engine(self.engine, self.task, self.largest_batch)(windows, seconds)

    def serves(self, names: Collection[str]) -> bool:
        """Whether all networks of these names answer; without any, the box's own model."""
        own = self.engine.serves or not self.predicts
        return all(map(self.networks.serves, names)) if names else own

    @property
    def served(self) -> Mapping[str, Engine]:
        """What the inference service serves, by name."""
        own = {MODEL: self.engine} if self.predicts else {}
        return {**own, **self.networks.engines}


def build_asked(config: Config, task: Task, engine: Engine) -> Asked:
    """What ``components`` names, beside the model of ``task`` on ``engine``.

    Raises:
        InvalidConfiguration: networks without a repository that they come from, or a value that
            can't be used.
    """
    node, values = config["components"], config["engine"]
    names = node["networks"]
    require("components.own_model", node["own_model"], SWITCH)
    check_names(names, {node["model"] or task.name, MODEL} if node["own_model"] else set())
    if names and node["source"] is None:
        raise InvalidConfiguration(
            f"components.networks={', '.join(map(str, names))}",
            "needs a repository that they come from",
            "Set components.source, or components.networks=[]",
        )
    slots = Path(config["home"]) / NETWORKS
    every_ns = 1e9 * config["windows"]["step"] / task.as_cut.rate_hz if task.as_cut.rate_hz else 0.0
    networks = BoxNetworks(names, node["networks_mb"], slots, values, every_ns)
    return Asked(engine, task, values["largest_batch"], networks, node["own_model"])


def check_names(names: object, own: Collection[str]) -> None:
    """Raise InvalidConfiguration unless each is a name, and no other's; ``own`` are the model's."""
    if not isinstance(names, list | tuple):
        rule = "must be a list of names"
        remedy = f"Give such as [{names}]" if isinstance(names, str) else "Give [] for none"
        raise InvalidConfiguration(f"components.networks={names}", rule, remedy)
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            rule = "must be a component's name: small letters, digits, dots, hyphens, underscores"
            raise InvalidConfiguration(f"components.networks={name}", rule, "Correct it")
        if names.count(name) > 1 or name in own:
            raise InvalidConfiguration(
                f"components.networks={name}",
                "is the name of another model of this box, too",
                "Name each once; a box without a model of its own has components.own_model=false",
            )
