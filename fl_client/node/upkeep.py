"""A node's upkeep between messages: swap models, remove old windows, update counts."""

import logging

from fl_client.functions.runner import Functions
from fl_client.inference.engine import Engine
from fl_client.node.metrics import Metrics
from fl_client.node.pipeline import Pipeline, PipelineStep
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.windows import Retention, WindowCounts
from fl_common.functions import Predicted

_logger = logging.getLogger(__name__)
_SECOND_NS = 10**9
_LOOK_EVERY_NS = _SECOND_NS // 2
_RATE_OVER_NS = 3 * _SECOND_NS
_RETAIN_EVERY_NS = 60 * _SECOND_NS


class Upkeep:
    """Called in the worker thread after each step; cheap if nothing is due."""

    def __init__(
        self,
        pipeline: Pipeline,
        engine: Engine,
        functions: Functions,
        retention: Retention,
        metrics: Metrics,
    ) -> None:
        self._pipeline, self._engine, self._functions = pipeline, engine, functions
        self._retention, self._metrics = retention, metrics
        self._looked_ns = self._retained_ns = 0
        self._failures: dict[str, int] = {}
        self._told_of_labels = self._told_of_model = False
        self.spool = SpoolCounts(0, 0, 0, 0, 0, {})
        self.windows = WindowCounts(0, 0, 0, 0, 0)
        self.readings = self.predictions = 0
        self.latest: Predicted | None = None
        """The newest prediction since the start."""
        self.readings_per_s = 0.0
        """Over the last seconds."""
        self._rated = (0, 0)

    def begin(self) -> None:
        """Load the model and show the first counts."""
        self._swap()
        self._count()

    def after(self, done: PipelineStep, now_ns: int) -> None:
        """Count a step's results, and do what is due."""
        self._note(done)
        if now_ns - self._looked_ns >= _LOOK_EVERY_NS or now_ns < self._looked_ns:
            self._looked_ns = now_ns
            self._swap()
            self._count()
            self._rate(now_ns)
        if now_ns - self._retained_ns >= _RETAIN_EVERY_NS or now_ns < self._retained_ns:
            self._retained_ns = now_ns
            self._pipeline.retain(self._retention, now_ns)

    def _swap(self) -> None:
        if self._pipeline.swap():
            self._metrics.swaps.inc()
        self._metrics.set_model(self._engine.status().digest)

    def _rate(self, now_ns: int) -> None:
        before_ns, readings = self._rated
        if now_ns - before_ns >= _RATE_OVER_NS or now_ns < before_ns:
            seconds = (now_ns - before_ns) / _SECOND_NS
            self.readings_per_s = max(0.0, (self.readings - readings) / seconds)
            self._rated = now_ns, self.readings

    def _count(self) -> None:
        self.spool, self.windows = self._pipeline.counts()
        self._metrics.set_counts(self.spool)
        self._metrics.labelled.set(self.windows.labelled)
        self._metrics.kept.set(self.windows.kept)
        for name, failures in self._functions.failures.items():
            self._metrics.failures.labels(name).inc(failures - self._failures.get(name, 0))
            self._failures[name] = failures

    def _note(self, done: PipelineStep) -> None:
        metrics = self._metrics
        for sensor, readings in done.readings.items():
            metrics.readings.labels(sensor).inc(readings)
            self.readings += readings
        for reason, unused in (("late", done.late), ("ahead", done.ahead)):
            if unused:
                metrics.unused.labels(reason).inc(unused)
        metrics.windows.inc(done.windows)
        metrics.unanswered.inc(done.unanswered)
        if done.answers or done.unanswered:
            metrics.inference.observe(done.seconds)
        self.predictions += len(done.answers)
        for answer in done.answers:
            metrics.predictions.labels(answer.predicted.label).inc()
        if done.answers:
            self.latest = done.answers[-1].predicted
        self._warn(done)

    def _warn(self, done: PipelineStep) -> None:
        if done.unknown_labels and not self._told_of_labels:
            self._told_of_labels = True
            _logger.warning(
                "%d annotations have a label that the task does not have, and label nothing."
                " Correct their sender, or the labels of the task. Said once.",
                done.unknown_labels,
            )
        if done.no_model and not self._told_of_model:
            _logger.warning(
                "no model serves: windows are kept, and predicted when one does. Place one with:"
                " fl-client model FILE"
            )
        self._told_of_model = done.no_model
