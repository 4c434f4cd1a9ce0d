"""An event when the label changes and the new one has lasted for some windows."""

from collections.abc import Iterable, Mapping
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.functions import FunctionEvent, Predicted


class LabelChange:
    """Reports a new label once it has been the most probable one for ``windows`` windows in a row.

    The first label is a change from null. With ``windows`` above 1 a single stray window changes
    nothing.

    Raises:
        InvalidConfiguration: ``windows`` below 1.
    """

    def __init__(self, windows: int) -> None:
        if windows < 1:
            raise InvalidConfiguration(
                f"windows={windows}", "must be at least 1", "Give the windows a label has to stand"
            )
        self._windows = windows
        self._stands: str | None = None
        self._candidate: str | None = None
        self._seen = 0
        self._since_ns = 0

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """A ``label-change`` with the two labels and the time of the new one's first window."""
        if predicted.label != self._candidate:
            self._candidate, self._seen = predicted.label, 0
            self._since_ns = predicted.start_ns
        self._seen += 1
        if self._candidate == self._stands or self._seen < self._windows:
            return ()
        before, self._stands = self._stands, self._candidate
        data = {"from": before, "to": self._stands, "since_ns": self._since_ns}
        return (FunctionEvent("label-change", data),)

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"stands": self._stands, "candidate": self._candidate, "seen": self._seen,
                "since_ns": self._since_ns}  # fmt: skip

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._stands, self._candidate = before["stands"], before["candidate"]
        self._seen, self._since_ns = before["seen"], before["since_ns"]
