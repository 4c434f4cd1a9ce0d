"""Build a node's sensing loop, with its outbox and metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from fl_client.node.assembly.events import Events
from fl_client.node.assembly.inference import Inference
from fl_client.node.assembly.metrics import build_metrics
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.loop import Node
from fl_client.node.metrics import Metrics
from fl_client.node.path import Path
from fl_client.node.pipeline import Pipeline
from fl_client.node.upkeep import Upkeep
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build
from fl_common.programs.troubles import Troubles


@dataclass(frozen=True)
class Loop:
    """The node's loop and its surrounding parts."""

    node: Node
    pipeline: Pipeline
    upkeep: Upkeep
    events: Events
    metrics: Metrics


def build_loop(
    config: Config,
    sensing: Sensing,
    inference: Inference,
    events: Events,
    open_path: Callable[[], Path],
    troubles: Troubles,
) -> Loop:
    """The loop over a pipeline on ``open_path``, and its metrics.

    Raises:
        InvalidConfiguration: a value that can't be used.
        StoreError: the site's store can't be opened.
    """
    pipeline = Pipeline(open_path)
    functions = inference.functions
    metrics = build_metrics(config, sensing, inference, troubles)
    upkeep = Upkeep(pipeline, inference.engine, functions, build(config["retention"]), metrics)
    node = Node(pipeline, sensing.watch, upkeep, events.outbox, metrics, troubles)
    return Loop(node, pipeline, upkeep, events, metrics)
