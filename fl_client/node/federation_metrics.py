"""Metrics of the site's federation traffic.

The link counts it in a process of its own (``fl_client.federation.traffic``). Its file is read at
each scrape, so the node does not import Flower.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_client.home import TRAINING
from fl_client.site.shortfalls import FILE, read_shortfalls

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
    """The counts in the files of link and trainer in the folder ``home``, where there are any."""

    def __init__(self, home: Path) -> None:
        self._path, self._shortfalls = home / TRAINING, home / FILE

    def collect(self) -> Iterable[Metric]:
        """One metric family for each count."""
        counts = read_link(self._path)
        for name, text in _PLAIN:
            if name in counts:
                yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=counts[name])
        if (ahead_s := counts.get("clock_ahead_s")) is not None:
            text = "By how much the box's clock is ahead of the server's"
            yield GaugeMetricFamily(f"{_PREFIX}_clock_ahead_seconds", text, value=ahead_s)
        for name, label, text in _BY_LABEL:
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
            for value, count in counts.get(name, {}).items():
                family.add_metric([value], count)
            yield family
        text = "Charged answers that were made without some of the data, or without any"
        family = CounterMetricFamily(f"{_PREFIX}_shortfalls", text, labels=["reason"])
        for reason, count in read_shortfalls(self._shortfalls).items():
            family.add_metric([reason], count)
        yield family


def read_link(path: Path) -> dict[str, Any]:
    """What the link wrote down at ``path``; nothing where it did not or that can't be read."""
    try:
        counts: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _logger.error("%s can't be read: %s", path, error)
        return {}
    return counts
