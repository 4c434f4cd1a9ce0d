"""Functions: what a box makes of its predictions, one kind per file.

A function is called with each window's prediction, in order of window time, and gives events or
nothing. It keeps what it has to remember in itself; a restart of the node begins with a new one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model says of one window: ``probabilities`` in the order of ``labels``."""

    start_ns: int
    """First instant of the window, nanoseconds since 1970."""
    end_ns: int
    """First instant behind the window."""
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.labels[self.probabilities.index(max(self.probabilities))]

    def probability(self, label: str) -> float:
        """The probability of ``label``; 0 for one that the model does not have."""
        return dict(zip(self.labels, self.probabilities, strict=True)).get(label, 0.0)


@dataclass(frozen=True, slots=True)
class Happening:
    """What a function found out: ``kind`` is a word such as ``label-change``, ``data`` JSON."""

    kind: str
    data: Mapping[str, Any]


class Function(Protocol):
    """Predictions in, events out; must not block, for the sensing loop waits for it."""

    def __call__(self, predicted: Predicted) -> Iterable[Happening]:
        """What happened with this window; may raise, which is counted and never stops the loop."""
