"""The score of one site: messages sent, predictions received, truth, latency, counts."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulate.engines.live.recordings import Message

_RECENT = 16


@dataclass(frozen=True)
class ReceivedPrediction:
    """A received prediction: ``latency_s`` is from the sending of the window's last reading."""

    start_ns: int
    label: str
    truth: str
    latency_s: float

    @property
    def is_right(self) -> bool:
        """Whether the prediction agrees with the truth."""
        return self.label == self.truth


@dataclass
class Score:
    """One site's; ``name`` is that of its node."""

    name: str
    sent: int = 0
    """Messages that the broker has acknowledged."""
    readings: int = 0
    predictions: dict[int, ReceivedPrediction] = field(default_factory=dict)
    """By start of the window; a prediction that is repeated after a crash counts once."""
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))
    """Whether the last ones were right."""
    messages: Mapping[str, Any] = field(default_factory=dict)
    """The node's own counts, as of the last look."""
    _asked: dict[int, tuple[float, str]] = field(default_factory=dict)

    def sending(self, message: Message) -> None:
        """``message`` is on its way."""
        for start_ns in message.closes:
            self._asked[start_ns] = time.monotonic(), message.label

    def has_sent(self, message: Message) -> None:
        """The broker has ``message``."""
        self.sent += 1
        self.readings += message.rows

    def receive(self, data: Mapping[str, Any]) -> None:
        """Count the data of a prediction's event."""
        start_ns, now = int(data["window_start_ns"]), time.monotonic()
        if start_ns in self._asked and start_ns not in self.predictions:
            asked, truth = self._asked[start_ns]
            prediction = ReceivedPrediction(start_ns, str(data["label"]), truth, now - asked)
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


def quantile_s(scores: list[Score], share: float) -> float | None:
    """The latency that ``share`` of the predictions stay within; None without any."""
    found = [prediction.latency_s for score in scores for prediction in score.predictions.values()]
    return float(np.quantile(found, share)) if found else None
