"""Build a node's metrics, with the collectors that are read at each scrape."""

from pathlib import Path

from fl_client.node.assembly.inference import Inference
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.federation_metrics import FederationMetrics
from fl_client.node.metrics import Metrics
from fl_client.node.sensor_metrics import SensorMetrics
from fl_client.node.transport_metrics import TransportMetrics
from fl_client.node.trouble_metrics import TroubleMetrics
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles


def build_metrics(
    config: Config, sensing: Sensing, inference: Inference, troubles: Troubles
) -> Metrics:
    """The metrics of the node, its troubles, its transports, and its federation traffic."""
    metrics = Metrics(inference.updates.follower if inference.updates else None)
    metrics.registry.register(FederationMetrics(Path(config["home"])))
    metrics.registry.register(TransportMetrics(sensing))
    metrics.registry.register(TroubleMetrics(troubles))
    metrics.registry.register(SensorMetrics(sensing.watch))
    return metrics
