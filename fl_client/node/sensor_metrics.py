"""Metrics of each sensor, read at each scrape."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_client.node.sensor_watch import SensorWatch

_PREFIX = "fl_client_sensor"


class SensorMetrics(Collector):
    """When each sensor was seen last, how fast its readings come, and what is lost."""

    def __init__(self, watch: SensorWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Metric]:
        """One family for each."""
        messages = CounterMetricFamily(f"{_PREFIX}_messages", "Messages", labels=["sensor"])
        text = "Messages that could not be used"
        lost = CounterMetricFamily(f"{_PREFIX}_lost", text, labels=["sensor", "reason"])
        text = "Readings per second that could be used, over some seconds"
        rate = GaugeMetricFamily(f"{_PREFIX}_readings_per_second", text, labels=["sensor"])
        text = "When the last message came, since 1970"
        seen = GaugeMetricFamily(f"{_PREFIX}_seen_timestamp_seconds", text, labels=["sensor"])
        for name, shown in self._watch.shown().items():
            messages.add_metric([name], shown["messages"])
            rate.add_metric([name], shown["readings_per_s"])
            if shown["last_seen_s"] is not None:
                seen.add_metric([name], shown["last_seen_s"])
            for reason, count in shown["lost"].items():
                lost.add_metric([name, reason], count)
        yield from (messages, lost, rate, seen)
