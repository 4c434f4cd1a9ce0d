"""The Prometheus metrics of a node.

Names and units follow the conventions of Prometheus: base units, ``_total`` on counters. Counters
of messages and events are kept in the store, so they continue after a restart:
``messages_received_total = messages_processed_total + spool_messages + messages_lost_total``,
``events_made_total = events_published_total + events_waiting + events_dropped_total``,
``function_windows_total = function_windows_done_total + function_windows_waiting +
function_windows_dropped_total``, and on a box with a shape ``shape_windows_total =
shape_windows_made_total + shape_windows_waiting + shape_windows_dropped_total``.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from fl_client.components.follower import Follower
from fl_client.components.metrics import ComponentMetrics
from fl_client.node.store_metrics import StoreMetrics
from fl_client.store.agreement import Agreement
from fl_client.store.function_inbox import InboxCounts
from fl_client.store.outbox import EventCounts
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.unshaped import ShapeCounts

_PREFIX = "fl_client"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one node, in its own registry; with a ``follower`` also those of updates."""

    def __init__(self, follower: Follower | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(ComponentMetrics(follower))
        self._store = StoreMetrics()
        self.registry.register(self._store)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.readings = self._counter("readings", "Readings accepted", "sensor")
        self.unused = self._counter("readings_unused", "Readings that came too late", "reason")
        self.unused_labels = self._counter("labels_unused", "Labels that tell nothing", "reason")
        self.windows = self._counter("windows", "Windows made")
        self.predictions = self._counter("predictions", "Predictions made", "label")
        self.unanswered = self._counter("predictions_failed", "Windows without a finite prediction")
        self._add_functions()
        self._add_networks()
        self.swaps = self._counter("model_swaps", "Models that began to serve")
        self.store_errors = self._counter("store_errors", "Commits that the store refused")
        self.rounds = self._counter("training_rounds", "Training rounds charged to the ledger")
        self.restarts = self._counter("training_restarts", "Starts of the training process")
        self.latency = self._histogram(
            "prediction_latency_seconds", "From the arrival of a window's last message to its event"
        )
        self.inference = self._histogram("inference_seconds", "Time in the model, per batch")
        self.labelled = self._gauge("windows_labelled", "Windows in the store that have a label")
        self.judged = self._gauge("windows_judged", "Windows with a label and a prediction")
        self.measures = self._gauge("prediction_measure", "Agreement with labels", "measure")
        self.streams = self._gauge("streams", "Streams that windows are cut of")
        self.kept = self._gauge("windows_kept", "Windows in the store")
        self.budget = self._gauge(
            "ledger_epsilon_left", "Epsilon left in the block of data with least"
        )
        self.spent = self._gauge(
            "ledger_epsilon_spent", "Epsilon spent in the block of data with most", "unit"
        )
        self.training = self._gauge("training_up", "1 while the training process runs")
        self.model = self._gauge("model_info", "The model that serves", "digest")
        self._digest: str | None = None

    def _add_functions(self) -> None:
        self.function_events = self._counter("function_events", "Events of functions", "function")
        self.failures = self._counter("function_failures", "Failures of functions", "function")
        calls = "Calls of functions, by what came of them"
        self.calls = self._counter("function_calls", calls, "function", "outcome")
        self.fuel = self._counter("function_fuel", "Fuel of functions in a sandbox", "function")
        self.seconds = self._counter("function_seconds", "Time in calls of functions", "function")
        instances = "Instances of functions in a sandbox, by why they were made"
        self.instances = self._counter("function_instances", instances, "function", "reason")
        unsaid = "Lines that functions logged, and that are not in the log"
        self.unsaid = self._counter("function_lines_dropped", unsaid, "function")
        self.late = self._counter("function_late", "Windows not shown to a function", "function")
        self.host_starts = self._counter("function_host_starts", "Starts of processes", "reason")

    def _add_networks(self) -> None:
        questions = "Questions to networks, by what came of them"
        self.network_questions = self._counter("network_questions", questions, "network", "outcome")
        self.network_seconds = self._counter("network_seconds", "Time in networks", "network")
        states = "Windows that began with a state of zeros, by why"
        self.network_states = self._counter("network_states_begun", states, "network", "reason")

    def set_counts(
        self,
        messages: SpoolCounts,
        events: EventCounts,
        inbox: InboxCounts,
        shape: ShapeCounts | None = None,
    ) -> None:
        """Update the store's counts; ``shape`` are those of a box that has one."""
        self._store.messages, self._store.events, self._store.inbox = messages, events, inbox
        self._store.shape = shape

    def set_agreement(self, agreement: Agreement) -> None:
        """Update how predictions agree with people's labels."""
        self.judged.set(agreement.judged)
        for name, value in agreement.measures.items():
            self.measures.labels(name).set(value)

    def set_model(self, digest: str | None) -> None:
        """Set ``digest`` as the only model that serves."""
        if digest != self._digest:
            self.model.clear()
            self._digest = digest
            if digest is not None:
                self.model.labels(digest).set(1)

    def text(self) -> bytes:
        """The exposition format of Prometheus (text)."""
        return generate_latest(self.registry)

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """The current value of a sample, by its name without the prefix; 0 if there is none."""
        found = self.registry.get_sample_value(f"{_PREFIX}_{name}", dict(labels or {}))
        return found or 0.0

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, registry=self.registry, buckets=_SECONDS)
