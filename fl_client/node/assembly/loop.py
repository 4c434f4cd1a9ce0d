"""Build a node's sensing loop, with its outbox and metrics."""

from dataclasses import dataclass

from fl_client.node.announcements import Announcements
from fl_client.node.assembly.inference import Inference
from fl_client.node.assembly.metrics import build_metrics
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.loop import Node
from fl_client.node.metrics import Metrics
from fl_client.node.outbox import Outbox
from fl_client.node.pipeline import Pipeline
from fl_client.node.upkeep import Upkeep
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Loop:
    """The node's loop and its surrounding parts."""

    node: Node
    pipeline: Pipeline
    upkeep: Upkeep
    outbox: Outbox
    metrics: Metrics


def build_loop(
    config: Config, task: Task, sensing: Sensing, inference: Inference, pipeline: Pipeline
) -> Loop:
    """The loop over ``pipeline``, and its metrics.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    functions, metrics = inference.functions, build_metrics(config, sensing, inference)
    upkeep = Upkeep(pipeline, inference.engine, functions, build(config["retention"]), metrics)
    events, source = config["events"], f"urn:jointhedots:site:{config['name']}"
    outbox = Outbox(events["waiting"], metrics, sensing.mqtt)
    announcements = Announcements(task, source, events["predictions"], events["happenings"])
    node = Node(pipeline, functions, upkeep, outbox, announcements, metrics)
    return Loop(node, pipeline, upkeep, outbox, metrics)
