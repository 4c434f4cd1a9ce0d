"""Build a node's storage: its spool and its windows, in one store."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from fl_client.components.build import ComponentUpdates
from fl_client.home import STORE
from fl_client.inference.engine import Engine
from fl_client.node.pipeline import Look
from fl_client.node.pipeline import Path as PipelinePath
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.windows import WindowStore
from fl_client.windows import Slicing, Source
from fl_client.windows.grid import Grid
from fl_client.windows.slide import Assembler
from fl_common.configuration.rules import Config
from fl_common.vocabulary import Task


def path_opener(
    config: Config,
    task: Task,
    slicing: Slicing,
    sensors: list[Source],
    engine: Engine,
    updates: ComponentUpdates | None,
) -> Callable[[], PipelinePath]:
    """A function that opens the configured store and builds a pipeline's parts on it."""
    see = updates.see if updates else _unseen
    return partial(_open, config, task, slicing, sensors, engine, see)


def _open(
    config: Config,
    task: Task,
    slicing: Slicing,
    sensors: list[Source],
    engine: Engine,
    see: Look,
) -> PipelinePath:
    connection = open_store(Path(config["home"]) / STORE)
    return PipelinePath(
        connection,
        Spool(connection, **config["spool"]),
        Assembler(task, sensors, slicing),
        WindowStore(connection, task, slicing, config["label_share"]),
        engine,
        Grid(task, slicing).length_ns,
        see,
    )


def _unseen(*_: object) -> None:
    """Ignore predictions: no repository is followed."""
