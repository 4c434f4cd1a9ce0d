"""Build a node's sensing loop, with its outbox and metrics."""

from dataclasses import dataclass

from fl_client.node.assembly.clock import BoxClock
from fl_client.node.assembly.events import Events
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
    pipeline: Pipeline,
    troubles: Troubles,
    clock: BoxClock,
) -> Loop:
    """The loop over ``pipeline`` in the time of ``clock``, and its metrics.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    functions = inference.functions.running
    metrics = build_metrics(config, sensing, inference, troubles)
    retention = build(config["retention"], at="retention")
    watch = sensing.watch
    asked = (inference.engine, functions, inference.asked.networks)
    upkeep = Upkeep(pipeline, *asked, retention, metrics, watch, troubles)
    node = Node(
        pipeline, upkeep, events.outbox, metrics, troubles, clock.now, inference.when_answered
    )
    return Loop(node, pipeline, upkeep, events, metrics)
