"""Metrics of what is counted in a node's store, and so goes on after a restart."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_client.store.function_inbox import InboxCounts
from fl_client.store.outbox import EventCounts
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.unshaped import ShapeCounts

_PREFIX = "fl_client"


class StoreMetrics(Collector):
    """The counts of messages and of events as of the last commit."""

    def __init__(self) -> None:
        self.messages = SpoolCounts(0, 0, 0, 0, 0, {})
        self.events = EventCounts(0, 0, 0, {})
        self.inbox = InboxCounts(0, 0, 0, {}, {})
        self.shape: ShapeCounts | None = None

    def collect(self) -> Iterable[Metric]:
        """One family per count."""
        messages, events, inbox = self.messages, self.events, self.inbox
        for name, value, text in (
            ("messages_received", messages.received, "Messages taken from the transports"),
            ("messages_processed", messages.processed, "Messages that no open window needs"),
            ("messages_duplicate", messages.duplicates, "Repeated messages, which had no effect"),
            ("messages_reused_id", messages.reused_ids, "Messages with the id of another one"),
            ("events_made", events.made, "Predictions and events of functions"),
            ("events_published", events.published, "Events that the broker has"),
            ("function_windows", inbox.put, "Windows for the functions"),
            ("function_windows_done", inbox.done, "Windows that the functions were shown"),
        ):
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)
        for name, by_reason, text in (
            ("messages_lost", messages.lost, "Messages that could not be used"),
            ("events_dropped", events.dropped, "Events that are never published"),
            ("function_windows_dropped", inbox.dropped, "Windows that no function was shown"),
            ("function_letters_dropped", inbox.letters_dropped, "Letters that nobody took"),
        ):
            yield _by_reason(name, text, by_reason)
        for name, value, text in (
            ("spool_messages", messages.waiting, "Messages that wait in the spool"),
            ("spool_bytes", messages.waiting_bytes, "Bytes that wait in the spool"),
            ("events_waiting", events.waiting, "Events that wait for the broker"),
            ("function_windows_waiting", inbox.waiting, "Windows that wait for the functions"),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)
        for name, by_function, text in (
            ("function_letters", inbox.letters, "Windows kept that a function failed at"),
            ("function_state_bytes", inbox.state_bytes, "What a function remembers"),
        ):
            gauge = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["function"])
            for function, count in by_function.items():
                gauge.add_metric([function], count)
            yield gauge
        if self.shape is not None:
            yield from _of_shape(self.shape)


def _of_shape(shape: ShapeCounts) -> Iterable[Metric]:
    for name, value, text in (
        ("shape_windows", shape.put, "Windows that were cut, for the shape"),
        ("shape_windows_made", shape.made, "Windows that the shape has made"),
    ):
        yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)
    text = "Windows that the shape has made nothing of"
    yield _by_reason("shape_windows_dropped", text, shape.dropped)
    text = "Windows that wait for the shape"
    yield GaugeMetricFamily(f"{_PREFIX}_shape_windows_waiting", text, value=shape.waiting)


def _by_reason(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=["reason"])
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family
