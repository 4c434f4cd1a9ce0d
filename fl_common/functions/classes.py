"""Functions as installed classes, and the predictions that any function is tried on."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fl_common.functions.events import FunctionEvent, Predicted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STANDS = 8
_CERTAIN = 0.97


class Function(Protocol):
    """Turns predictions into events, in a process of its own: a box's function host."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """The events of this window. An exception is counted, and the window kept as a letter."""


@runtime_checkable
class Remembering(Protocol):
    """A function that goes on after a restart where it was.

    What it remembers is stored with the events that it found. Without these methods a function
    begins anew, and sees the windows of a failed commit again.
    """

    def remembered(self) -> Mapping[str, Any]:
        """What it remembers after the last prediction, as JSON values."""

    def remember(self, before: Mapping[str, Any]) -> None:
        """Go on from what an object of this class remembered, perhaps with other arguments."""


Ask = Callable[[str, "NDArray[np.float32]"], "NDArray[np.float32]"]
"""Asks the network of a name; all that it answers in a row. Raises BadInput where it can't."""


@runtime_checkable
class Asking(Protocol):
    """A function that asks networks, those that ``asks`` of its function.json names."""

    def ask_by(self, ask: Ask) -> None:
        """Ask them by ``ask`` from now on."""


def fixed_predictions(labels: Sequence[str]) -> list[Predicted]:
    """Predictions to try a function on: each label in turn, nearly certain, for some windows.

    They go through the labels twice, and are the same on every machine.
    """
    rest = (1 - _CERTAIN) / max(1, len(labels) - 1)
    return [
        Predicted(
            number * 10**9,
            (number + 1) * 10**9,
            tuple(labels),
            tuple(_CERTAIN if label == now else rest for label in labels),
        )
        for number, now in enumerate(one for one in (*labels, *labels) for _ in range(_STANDS))
    ]


def events_of(function: Function, predictions: Iterable[Predicted]) -> list[dict[str, Any]]:
    """The events of ``function`` for ``predictions``, as JSON values with the window's number."""
    return [
        {"window": number, **json.loads(json.dumps(asdict(event)))}
        for number, predicted in enumerate(predictions)
        for event in function(predicted)
    ]
