"""The node's troubles as metrics, read at each scrape."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_common.programs.troubles import Troubles


class TroubleMetrics(Collector):
    """Which parts have a trouble and how often one began; why is in the status and in the log."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles

    def collect(self) -> Iterable[Metric]:
        """Two families."""
        text = "1 for each part of the box that does not do what it is for"
        found = GaugeMetricFamily("fl_client_trouble", text, labels=["part"])
        for trouble in self._troubles.current():
            found.add_metric([trouble.part], 1)
        yield found
        begun = CounterMetricFamily(
            "fl_client_troubles", "How often a trouble of each part began", labels=["part"]
        )
        for part, count in self._troubles.begun().items():
            begun.add_metric([part], count)
        yield begun
