"""The score of one site: messages sent, predictions received, truth, latency, counts."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Task
from models.kinds import ANOMALY, CLASSIFICATION, MULTILABEL, SEQUENCE, kind_of
from simulate.engines.live.recordings import Message

_RECENT = 16


@dataclass(frozen=True)
class ReceivedPrediction:
    """A received prediction: ``latency_s`` is from the sending of the window's last reading.

    ``said`` and ``truth`` are in a word; ``predicted_1`` and ``truth_1`` as the kind has them.
    """

    start_ns: int
    said: str
    truth: str
    latency_s: float
    is_right: bool
    predicted_1: NDArray[Any]
    truth_1: NDArray[Any]

    def to_row(self) -> dict[str, Any]:
        """The fields as JSON values."""
        names = ("start_ns", "said", "truth", "latency_s", "is_right")
        return {name: getattr(self, name) for name in names}


@dataclass
class Score:
    """One site's, of predictions of ``task``; ``name`` is that of its node."""

    name: str
    task: Task
    sent: int = 0
    """Messages that the broker has acknowledged."""
    readings: int = 0
    predictions: dict[int, ReceivedPrediction] = field(default_factory=dict)
    """By start of the window; a prediction that is repeated after a crash counts once."""
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))
    """Whether the last ones were right."""
    messages: Mapping[str, Any] = field(default_factory=dict)
    """The node's own counts, as of the last look."""
    _asked: dict[int, tuple[float, NDArray[Any]]] = field(default_factory=dict)

    def sending(self, message: Message) -> None:
        """``message`` is on its way."""
        for start_ns, truth in zip(message.closes, message.truths, strict=True):
            self._asked[start_ns] = time.monotonic(), truth

    def has_sent(self, message: Message) -> None:
        """The broker has ``message``."""
        self.sent += 1
        self.readings += message.rows

    def receive(self, data: Mapping[str, Any]) -> None:
        """Count the data of a prediction's event."""
        start_ns, now = int(data["window_start_ns"]), time.monotonic()
        if start_ns in self._asked and start_ns not in self.predictions:
            asked, truth = self._asked[start_ns]
            kind, truth_1 = kind_of(self.task), np.asarray(truth)[None]
            predicted_1 = kind.heard(data)
            prediction = ReceivedPrediction(
                start_ns,
                word_of(self.task, predicted_1),
                word_of(self.task, truth_1),
                now - asked,
                bool(kind.right(truth_1, predicted_1)[0]),
                predicted_1,
                truth_1,
            )
            self.predictions[start_ns] = prediction
            self.recent.append(prediction.is_right)

    @property
    def windows(self) -> int:
        """Windows that were sent completely."""
        return len(self._asked)

    @property
    def right(self) -> int:
        """Predictions that agree with the truth."""
        return sum(one.is_right for one in self.predictions.values())

    @property
    def lost(self) -> int:
        """Messages that the node counts as lost."""
        return sum(self.messages.get("lost", {}).values())

    @property
    def on_the_way(self) -> int:
        """Messages that the node has not stored yet: the broker holds them for it."""
        return self.sent - int(self.messages.get("received", 0))

    @property
    def settled(self) -> bool:
        """Whether everything was received, including each window's prediction."""
        return self.on_the_way == 0 and len(self.predictions) == self.windows

    def trouble(self) -> str | None:
        """An inconsistency of the counts; None if they add up."""
        m = self.messages
        if m["received"] != m["processed"] + m["waiting"] + self.lost:
            return f"{self.name}: received is not processed + waiting + lost: {dict(m)}"
        if self.on_the_way < 0:
            return f"{self.name}: received {m['received']} messages of {self.sent} that were sent"
        return None


def word_of(task: Task, value_1: NDArray[Any]) -> str:
    """One prediction or truth in a word, where it has one; a forecast has none."""
    value, kind = value_1[0], task.kind.name
    if kind == CLASSIFICATION:
        return task.labels[int(value)]
    if kind == MULTILABEL:
        columns = kind_of(task).columns
        return ", ".join(name for place, name in enumerate(columns) if int(value) >> place & 1)
    if kind == SEQUENCE:
        return task.labels[int(np.bincount(value, minlength=len(task.labels)).argmax())]
    if kind == ANOMALY:
        is_odd = value[0] > value[1] if value.ndim else value == 1
        return "anomalous" if is_odd else "normal"
    return f"{float(value):.4g}" if value.ndim == 0 else ""


def measured(scores: Sequence[Score]) -> Mapping[str, float]:
    """The measures of the task's kind on all predictions that were received; none without any."""
    found = [prediction for score in scores for prediction in score.predictions.values()]
    if not found:
        return {}
    kind = kind_of(scores[0].task)
    both = (np.concatenate([one.truth_1 for one in found]),
            np.concatenate([one.predicted_1 for one in found]))  # fmt: skip
    return kind.measured(kind.sums(*both))


def quantile_s(scores: list[Score], share: float) -> float | None:
    """The latency that ``share`` of the predictions stay within; None without any."""
    found = [prediction.latency_s for score in scores for prediction in score.predictions.values()]
    return float(np.quantile(found, share)) if found else None
