"""A node's upkeep between messages: swap models, remove old windows, update counts."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from prometheus_client import Counter

from fl_client.clock.guard import Instant
from fl_client.functions.runner import Functions
from fl_client.inference.engine import Engine
from fl_client.node.metrics import Metrics
from fl_client.node.path import PathCounts as Counts
from fl_client.node.pipeline import Pipeline, PipelineStep
from fl_client.node.sensor_watch import SensorWatch
from fl_client.node.stream_watch import StreamWatch
from fl_client.store.windows import Retention
from fl_client.windows.truths.told import NO_NUMBER, RANGE, UNKNOWN
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles

_logger = logging.getLogger(__name__)
_SECOND_NS = 10**9
_LOOK_EVERY_NS = _SECOND_NS // 2
_RATE_OVER_NS = 3 * _SECOND_NS
_RETAIN_EVERY_NS = 60 * _SECOND_NS
_IN_A_ROW = 10
_PREDICTIONS = "predictions"
_NO_ANSWER = "the model has no finite answer to any window, or takes too long for one"
_MEND = "Check the sensors' units and ranges and engine.call_seconds, or publish another model"
_SPOOL, _FULL = "spool", ("full_rejected", "full_dropped")
_IS_FULL = "it is full, and messages are lost"
_EMPTY_IT = "See why windows are not made of what waits, or raise spool.limit_bytes"
_INBOX = "functions"
_TOO_SLOW = "they take longer than windows come, and the oldest of those that wait are dropped"
_QUICKER = "Make them quicker, take one out, or raise function_host.waiting"
_FLOOD = "what they tell each other takes half of the room, and more of it is dropped"
_LOST = {
    "full": (_TOO_SLOW, _QUICKER),
    "chain": (_FLOOD, "Let the first function of the chain tell less, or take one of them out"),
}
"""Reasons for which events are lost before functions see them, each with its cause and remedy."""
_DROPPED = {
    "full": "the oldest of more than events.waiting, as no broker took them. Check the broker, or"
    " raise it",
    "function": "a function has more than events.waiting that wait. Let it tell less",
    "size": "one of more than 64 KiB. Let the function put less into an event",
}
"""Why events are dropped, and what to do."""
_REUSED = (
    "%s: a message has the id of an earlier one and other content. It is kept. If the id is a"
    " counter that wraps or begins anew, declare id: null; further ones are only counted, in"
    " fl_client_messages_reused_id_total"
)
_UNUSED_LABELS = {
    UNKNOWN: "the task does not have it. Correct its sender, or the task's labels",
    NO_NUMBER: 'it is no number, which this task needs. Send such as "label": 21.5',
    RANGE: "it lies beyond task.range. Correct its sender or its unit, or declare the range",
}
_UNUSED_LABEL = (
    "%%s: a label tells nothing of any window: %s; further ones are only counted, in"
    " fl_client_labels_unused_total"
)
_MERGED = (
    "%s: readings of one instant differ in a channel, and windows use the smaller value. Send time"
    " stamps that are fine enough to tell readings apart; further ones are only counted, in"
    " fl_client_readings_unused_total as merged"
)


class NetworkTallies(Protocol):
    """What was asked of networks since the start."""

    @property
    def questions(self) -> Mapping[tuple[str, str], int]:
        """By network and what came of them."""
        ...

    @property
    def seconds(self) -> Mapping[str, float]:
        """The time that answers took, by network."""
        ...

    @property
    def begun(self) -> Mapping[tuple[str, str], int]:
        """Windows before which a state was zeros, by network and why."""
        ...


class Upkeep:
    """Called in the worker thread after each step; cheap if nothing is due."""

    def __init__(
        self,
        pipeline: Pipeline,
        engine: Engine,
        functions: Functions,
        networks: NetworkTallies,
        retention: Retention,
        metrics: Metrics,
        sensors: SensorWatch,
        troubles: Troubles,
    ) -> None:
        self._pipeline, self._engine, self._functions = pipeline, engine, functions
        self._networks = networks
        self._retention, self._metrics = retention, metrics
        self._sensors, self._troubles, self._unanswered = sensors, troubles, 0
        self._looked_ns = self._lost_ns = self._lost_to = 0
        self._retained_ns = -_RETAIN_EVERY_NS  # at once, also just after the machine's start
        self._added: dict[Counter, dict[Any, Any]] = {}
        self._counted = False
        self._told_of_drops: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self.spool, self.windows, self.events, self.inbox, self.shape = Counts()
        self.readings = self.predictions = 0
        self.latest: Predicted | None = None
        """The newest prediction since the start."""
        self.streams = StreamWatch(troubles)
        self.readings_per_s = 0.0
        """Over the last seconds."""
        self._rated = (0, 0)

    def begin(self) -> None:
        """Load the model and show the first counts."""
        self._swap()
        self._count()
        self._lost_to = sum(self.spool.lost.get(reason, 0) for reason in _FULL)

    def functions(self) -> dict[str, Any]:
        """What became of windows at the functions, how often each failed, and why some are off."""
        running, windows = self._functions, asdict(self.inbox)
        disabled = {name: failing.why for name, failing in running.disabled.items()}
        told = {"failures": dict(running.failures), "disabled": disabled}
        return {**told, "state_bytes": windows.pop("state_bytes"), "windows": windows}

    def after(self, done: PipelineStep, now: Instant) -> None:
        """Count a step's results, and do what is due."""
        self._sensors.note(done)
        self._judge_answers(done)
        self._note(done)
        self.streams.note(done, now.elapsed_ns)
        if now.elapsed_ns - self._looked_ns >= _LOOK_EVERY_NS:
            self._looked_ns = now.elapsed_ns
            self._swap()
            self._count()
            self._judge_spool(now.elapsed_ns)
            self._rate(now.elapsed_ns)
        if now.elapsed_ns - self._retained_ns >= _RETAIN_EVERY_NS:
            self._retained_ns = now.elapsed_ns
            self._pipeline.retain(self._retention, now)

    def _judge_answers(self, done: PipelineStep) -> None:
        """It is a trouble if the model has no answer to some windows in a row."""
        if done.answers:
            self._unanswered = 0
            self._troubles.end(_PREDICTIONS)
        else:
            self._unanswered += done.unanswered
        if self._unanswered >= _IN_A_ROW:
            self._troubles.begin(_PREDICTIONS, _NO_ANSWER, _MEND)

    def _judge_spool(self, elapsed_ns: int) -> None:
        """A full spool that loses messages is a trouble, until it has lost none for a minute."""
        lost = sum(self.spool.lost.get(reason, 0) for reason in _FULL)
        if lost > self._lost_to:
            self._lost_ns = elapsed_ns
            self._troubles.begin(_SPOOL, _IS_FULL, _EMPTY_IT)
        elif elapsed_ns - self._lost_ns >= _RETAIN_EVERY_NS:
            self._troubles.end(_SPOOL)
        self._lost_to = lost

    def _swap(self) -> None:
        if self._pipeline.swap():
            self._metrics.swaps.inc()
        self._metrics.set_model(self._engine.status().digest)

    def _rate(self, elapsed_ns: int) -> None:
        before_ns, readings = self._rated
        if elapsed_ns - before_ns >= _RATE_OVER_NS:
            seconds = (elapsed_ns - before_ns) / _SECOND_NS
            self.readings_per_s = (self.readings - readings) / seconds
            self._rated = elapsed_ns, self.readings

    def _count(self) -> None:
        counts = self._pipeline.counts()
        self._tell_of_drops(counts)
        self._judge_functions(counts)
        self.spool, self.windows, self.events, self.inbox, self.shape = counts
        self._counted = True
        self._metrics.set_counts(self.spool, self.events, self.inbox, self.shape)
        self._metrics.labelled.set(self.windows.labelled)
        self._metrics.kept.set(self.windows.kept)
        self._metrics.set_agreement(self.windows.agreement)
        self._metrics.streams.set(self.streams.number)
        functions, metrics = self._functions, self._metrics
        tally = functions.tally
        counted: tuple[tuple[Counter, Mapping[Any, float]], ...] = (
            (metrics.failures, functions.failures),
            (metrics.calls, tally.calls),
            (metrics.fuel, tally.fuel),
            (metrics.seconds, tally.seconds),
            (metrics.instances, tally.instances),
            (metrics.unsaid, tally.unsaid),
            (metrics.late, functions.late),
            (metrics.host_starts, functions.starts),
            (metrics.network_questions, self._networks.questions),
            (metrics.network_seconds, self._networks.seconds),
            (metrics.network_states, self._networks.begun),
        )
        for metric, count in counted:
            _add_to(metric, count, self._added.setdefault(metric, {}))

    def _tell_of_drops(self, counts: Counts) -> None:
        """Tell the first drop of a kind of event."""
        for reason, remedy in _DROPPED.items():
            more = counts.events.dropped.get(reason, 0) > self.events.dropped.get(reason, 0)
            if more and self._counted and reason not in self._told_of_drops:
                self._told_of_drops.add(reason)
                _logger.warning("events are dropped (%s): %s. Further ones are counted in"
                                " fl_client_events_dropped_total", reason, remedy)  # fmt: skip

    def _judge_functions(self, counts: Counts) -> None:
        """Windows that are dropped before functions see them are a trouble until none waits."""
        now, before = counts.functions.dropped, self.inbox.dropped
        causes = [
            words for reason, words in _LOST.items() if now.get(reason, 0) > before.get(reason, 0)
        ]
        if causes and self._counted:
            self._troubles.begin(_INBOX, *causes[0])
        elif counts.functions.waiting == 0:
            self._troubles.end(_INBOX)

    def _note(self, done: PipelineStep) -> None:
        metrics = self._metrics
        for sensor, readings in done.readings.items():
            metrics.readings.labels(sensor).inc(readings)
            self.readings += readings
        for reason, unused in (
            ("late", done.late),
            ("ahead", done.ahead),
            ("streams", done.surplus),
            ("merged", sum(done.merged.values())),
        ):
            if unused:
                metrics.unused.labels(reason).inc(unused)
        metrics.windows.inc(done.windows)
        for reason, labels in done.unused_labels.items():
            metrics.unused_labels.labels(reason).inc(labels)
        metrics.unanswered.inc(done.unanswered)
        if done.answers or done.unanswered:
            metrics.inference.observe(done.seconds)
        self.predictions += len(done.answers)
        for answer in done.answers:
            metrics.predictions.labels(answer.counted_as).inc()
        for shown in done.shown:
            for name, _ in shown.found:
                metrics.function_events.labels(name).inc()
        if done.answers:
            self.latest = done.answers[-1].predicted
        self._warn(done)

    def _warn(self, done: PipelineStep) -> None:
        for reason in done.unused_labels:
            self._tell([reason], _UNUSED_LABEL % _UNUSED_LABELS[reason])
        self._tell(done.merged, _MERGED)
        self._tell(done.appended.reused_ids, _REUSED)

    def _tell(self, sources: Iterable[str], words: str) -> None:
        """Log ``words`` once for each source."""
        for source in sources:
            if (source, words) not in self._told:
                self._told.add((source, words))
                _logger.warning(words, source)


def _add_to(metric: Counter, counts: Mapping[Any, float], before: dict[Any, Any]) -> None:
    """Add what was counted, by label or labels, since ``before``, and bring that up to date."""
    for key, count in dict(counts).items():  # another thread counts on
        labels = key if isinstance(key, tuple) else (key,)
        metric.labels(*labels).inc(count - before.get(key, 0))
        before[key] = count
