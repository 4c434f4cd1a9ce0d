"""Build a node's storage: its spool, its windows and its outbox, in one store."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from fl_client.components.shapes import opened
from fl_client.home import STORE
from fl_client.node.assembly.declared import Declared
from fl_client.node.assembly.events import Events
from fl_client.node.assembly.inference import Inference
from fl_client.node.path import Path as PipelinePath
from fl_client.store.held import HeldValues
from fl_client.store.in_memory import open_kept
from fl_client.store.spool import Spool
from fl_client.windows.streams import Streams
from fl_common.configuration.rules import Config
from fl_common.vocabulary import Task


def path_opener(
    config: Config,
    task: Task,
    declared: Declared,
    inference: Inference,
    events: Events,
) -> Callable[[], PipelinePath]:
    """A function that opens the configured store and builds a pipeline's parts on it."""
    return partial(_open, config, task, declared, inference, events)


def _open(
    config: Config,
    task: Task,
    declared: Declared,
    inference: Inference,
    events: Events,
) -> PipelinePath:
    slicing, most = declared.slicing, config["most_streams"]
    connection = open_kept(Path(config["home"]) / STORE, in_memory=declared.in_memory)
    updates = inference.updates
    feed = inference.functions.feed(connection, updates.note if updates else _nothing)
    outbox, follow = events.stored_in(connection, feed)
    held = HeldValues(connection)
    about = (connection, slicing, config["label_share"])
    made = opened(inference.shapes, inference.engine.shape, task, *about)
    return PipelinePath(
        connection=connection,
        spool=Spool(connection, **config["spool"]),
        streams=Streams(task, declared.sensors, slicing, most, held.found, held.write),
        maker=made.maker,
        engine=inference.engine,
        see=updates.see if updates else _unseen,
        outbox=outbox,
        functions=feed,
        follow=follow,
        task=made.task,
        is_outdated=made.is_outdated,
        take_labels=made.label_taker(),
    )


def _unseen(*_: object) -> None:
    """Ignore predictions: no repository is followed."""


def _nothing() -> None:
    """No function comes from a repository."""
