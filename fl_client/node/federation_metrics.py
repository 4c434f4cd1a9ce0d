"""Metrics of the site's federation traffic.

The link counts it in a process of its own (``fl_client.federation.traffic``). Its file is read at
each scrape, so the node does not import Flower.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_logger = logging.getLogger(__name__)
_PREFIX = "fl_client_federation"
_PLAIN = (
    ("rounds", "Updates sent to a server"),
    ("received_bytes", "Bytes of instructions, without framing"),
    ("sent_bytes", "Bytes of replies, without framing"),
    ("errors", "Messages of a server that were not answered"),
)
_BY_LABEL = (
    ("answers", "kind", "Messages of a server that were answered"),
    ("seconds", "kind", "Time taken to answer"),
    ("refusals", "reason", "Refusals by reason"),
)


class FederationMetrics(Collector):
    """The counts in the file at ``path``; none if no link has counted yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterable[Metric]:
        """One metric family for each count."""
        counts = self._counts()
        for name, text in _PLAIN:
            if name in counts:
                yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=counts[name])
        for name, label, text in _BY_LABEL:
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
            for value, count in counts.get(name, {}).items():
                family.add_metric([value], count)
            yield family

    def _counts(self) -> dict[str, Any]:
        try:
            counts: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _logger.error("%s can't be read: %s", self._path, error)
            return {}
        return counts
