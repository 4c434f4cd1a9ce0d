"""The node's troubles as metrics, read at each scrape."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_common.programs.troubles import Troubles


class TroubleMetrics(Collector):
    """1 for each part that has a trouble; why is in the status and in the log."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles

    def collect(self) -> Iterable[Metric]:
        """One family."""
        text = "1 for each part of the box that does not do what it is for"
        found = GaugeMetricFamily("fl_client_trouble", text, labels=["part"])
        for trouble in self._troubles.current():
            found.add_metric([trouble.part], 1)
        yield found
