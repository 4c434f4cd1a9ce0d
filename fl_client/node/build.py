"""From a configuration to a node."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.components.build import ComponentUpdates, NodeContext, build_updates
from fl_client.functions.runner import Functions
from fl_client.home import MODEL, SLOTS, STORE, TRAINING
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.node.federation_metrics import FederationMetrics
from fl_client.node.loop import Addresses, Node
from fl_client.node.metrics import Metrics
from fl_client.node.outbox import Outbox
from fl_client.node.pipeline import Path as PipelinePath
from fl_client.node.pipeline import Pipeline
from fl_client.node.training_process import Training
from fl_client.node.upkeep import Upkeep
from fl_client.sensors.intake import Intake
from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.link import SensorLink
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.windows import WindowStore
from fl_client.windows import Slicing, Source
from fl_client.windows.grid import Grid
from fl_client.windows.slide import Assembler
from fl_client.windows.split import split_of
from fl_common.build import build
from fl_common.configuration import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.kinds import FUNCTION
from fl_common.vocabulary import Task

_CHANNEL = "fl_client.sensors.sensor.Channel"


@dataclass(frozen=True)
class NodeAssembly:
    """A node and what stands around it, ready to run."""

    name: str
    home: Path
    node: Node
    pipeline: Pipeline
    intake: Intake
    engine: Engine
    functions: Functions
    upkeep: Upkeep
    outbox: Outbox
    metrics: Metrics
    task: Task
    training: Training
    http: Mapping[str, Any]
    serving: Mapping[str, Any]
    link: SensorLink | None
    updates: ComponentUpdates | None
    counter: Path | None


def build_node(config: Config, *, connected: bool) -> NodeAssembly:
    """Everything of a node; without ``connected``, no link to a broker.

    Raises:
        InvalidConfiguration: a value that can't be used.
        StoreError: the site's store can't be opened.
    """
    task, slicing, home = build(config["task"]), build(config["windows"]), Path(config["home"])
    _make(home)
    intake, sources = build_sensors(config, task)
    engine_node = config["engine"]
    slot = ModelSlot(home / SLOTS / MODEL)
    engine = Engine(slot, task, engine_node["threads"], engine_node["largest_batch"])
    split = split_of(task, slicing, build(config["held_out"]))
    functions = Functions(
        {name: build(node, FUNCTION) for name, node in config["functions"].items()},
        config["failures_allowed"],
    )
    box = NodeContext(config["name"], home, task, slot, engine_node, functions, split.held_out_day)
    updates = build_updates(config["components"], box)
    metrics = Metrics(updates.follower if updates else None)
    metrics.registry.register(FederationMetrics(home / TRAINING))
    pipeline = Pipeline(partial(_open_path, config, home, task, slicing, sources, engine, updates))
    upkeep = Upkeep(pipeline, engine, functions, build(config["retention"]), metrics)
    outbox = Outbox(config["events"]["waiting"], metrics)
    node = Node(task, intake, pipeline, functions, upkeep, outbox, _addresses(config), metrics)
    counter = config["federation"]["ledger_counter"]
    link = SensorLink(_broker(config), intake.topics, node.take, random.Random())
    return NodeAssembly(
        *(config["name"], home, node, pipeline, intake, engine, functions, upkeep, outbox),
        *(metrics, task, build(config["training"]), config["http"], config["serving"]),
        link if connected else None,
        updates,
        Path(counter) if counter else None,
    )


def _open_path(
    config: Config,
    home: Path,
    task: Task,
    slicing: Slicing,
    sources: list[Source],
    engine: Engine,
    updates: ComponentUpdates | None,
) -> PipelinePath:
    connection = open_store(home / STORE)
    return PipelinePath(
        connection,
        Spool(connection, **config["spool"]),
        Assembler(task, sources, slicing),
        WindowStore(connection, task, slicing, config["label_share"]),
        engine,
        Grid(task, slicing).length_ns,
        updates.see if updates else _unseen,
    )


def _unseen(*_: object) -> None:
    """Where no repository is followed, nobody looks at the answers."""


def build_sensors(config: Config, task: Task) -> tuple[Intake, list[Source]]:
    """The sensors as the broker's messages and as the windows see them."""
    sensors, sources = [], []
    for name, node in config["sensors"].items():
        constructor = {key: value for key, value in node.items() if key != "rate_hz"}
        channels = [build({"_target_": _CHANNEL, **channel}) for channel in node["channels"]]
        sensor = build({**constructor, "name": name, "task": task, "channels": channels})
        sensors.append(sensor)
        sources.append(Source(name, sensor.channels, node.get("rate_hz")))
    annotations = build(config["annotations"]) if config["annotations"] else None
    return Intake(sensors, annotations, config["payload_bytes"]), sources


def _addresses(config: Config) -> Addresses:
    events = config["events"]
    source = f"urn:jointhedots:site:{config['name']}"
    return Addresses(source, events["predictions"], events["happenings"])


def _broker(config: Config) -> Broker:
    broker: Broker = build(config["broker"])
    return broker


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfiguration(
            f"home={home}", f"can't be made ({error.strerror})", "Choose a writable folder"
        ) from error
