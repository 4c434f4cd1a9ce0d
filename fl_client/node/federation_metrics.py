"""What the site's part in federations has come to, as metrics of the node.

The link counts in a process of its own (``fl_client.federation.traffic``); its file is read for
each collection, so the node need not know of Flower.
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
    ("sent_bytes", "Bytes of answers, without framing"),
    ("errors", "Messages of a server that had no answer"),
)
_BY_LABEL = (
    ("answers", "kind", "Messages of a server that were answered"),
    ("seconds", "kind", "Time that answering took"),
    ("refusals", "reason", "Answers that said no"),
)


class FederationMetrics(Collector):
    """The counts of the file at ``path``; nothing where no link has counted yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterable[Metric]:
        """One family per count."""
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
