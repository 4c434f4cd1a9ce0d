"""An event when a label's probability stays above a threshold, and one when it has fallen again."""

from collections.abc import Iterable, Mapping
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.functions import FunctionEvent, Predicted


class Threshold:
    """An alarm with debounce and hysteresis.

    Raised after ``windows`` windows in a row with a probability of ``label`` of at least ``above``;
    cleared after as many below ``below``.

    Raises:
        InvalidConfiguration: not 0 <= below <= above <= 1, or ``windows`` below 1.
    """

    def __init__(self, label: str, above: float, below: float, windows: int) -> None:
        if not 0 <= below <= above <= 1:
            raise InvalidConfiguration(
                f"below={below}, above={above}",
                "must be probabilities, below at most above",
                "Give such as above: 0.8, below: 0.5",
            )
        if windows < 1:
            raise InvalidConfiguration(
                f"windows={windows}", "must be at least 1", "Give the windows in a row that count"
            )
        self._label, self._above, self._below, self._windows = label, above, below, windows
        self._raised = False
        self._seen = 0

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """An ``alarm-raised`` or ``alarm-cleared`` with label and probability, or nothing."""
        probability = predicted.probability(self._label)
        turns = probability < self._below if self._raised else probability >= self._above
        self._seen = self._seen + 1 if turns else 0
        if self._seen < self._windows:
            return ()
        self._raised, self._seen = not self._raised, 0
        kind = "alarm-raised" if self._raised else "alarm-cleared"
        return (FunctionEvent(kind, {"label": self._label, "probability": probability}),)

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"label": self._label, "raised": self._raised, "seen": self._seen}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``; an alarm of another label is forgotten."""
        if before["label"] == self._label:
            self._raised, self._seen = before["raised"], before["seen"]
