"""Metrics of a node's transports, read at each scrape."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_client.node.assembly.sensing import Sensing

_PREFIX = "fl_client"


class TransportMetrics(Collector):
    """Whether each transport can receive messages, and what it refused."""

    def __init__(self, sensing: Sensing) -> None:
        self._sensing = sensing

    def collect(self) -> Iterable[Metric]:
        """One family per kind."""
        up = GaugeMetricFamily(
            f"{_PREFIX}_transport_up", "1 while messages can come by it", labels=["transport"]
        )
        refused = CounterMetricFamily(
            f"{_PREFIX}_transport_refused",
            "Messages turned away before they were taken",
            labels=["transport", "reason"],
        )
        for name, inlet in self._sensing.inlets.items():
            state = inlet.transport.state()
            up.add_metric([name], state.up)
            for reason, count in state.refused.items():
                refused.add_metric([name, reason], count)
        yield up
        yield refused
        if self._sensing.mqtt is not None:
            status = self._sensing.mqtt.status
            text = "1 while the broker is connected"
            yield GaugeMetricFamily(f"{_PREFIX}_broker_connected", text, value=status.connected)
            text, name = "Sessions that the broker had no more", f"{_PREFIX}_broker_sessions_lost"
            yield CounterMetricFamily(name, text, value=status.sessions_lost)
