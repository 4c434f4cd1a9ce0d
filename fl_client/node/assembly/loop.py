"""Build a node's sensing loop, with its outbox and metrics."""

from dataclasses import dataclass

from fl_client.node.assembly.events import Events, build_events
from fl_client.node.assembly.inference import Inference
from fl_client.node.assembly.metrics import build_metrics
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.loop import Node
from fl_client.node.metrics import Metrics
from fl_client.node.pipeline import Pipeline
from fl_client.node.upkeep import Upkeep
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


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
    task: Task,
    sensing: Sensing,
    inference: Inference,
    pipeline: Pipeline,
    troubles: Troubles,
) -> Loop:
    """The loop over ``pipeline``, and its metrics.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    functions = inference.functions
    metrics = build_metrics(config, sensing, inference, troubles)
    upkeep = Upkeep(pipeline, inference.engine, functions, build(config["retention"]), metrics)
    events = build_events(config, task, sensing, metrics, troubles)
    node = Node(pipeline, functions, upkeep, events.outbox, events.announcements, metrics, troubles)
    return Loop(node, pipeline, upkeep, events, metrics)
