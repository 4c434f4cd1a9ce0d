"""Somebody's code that never returns."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fl_client.sensors.decoders.raw import RawDecoder
from fl_common.functions import FunctionEvent, Predicted


class HangingDecoder(RawDecoder):
    """Waits for ever at its first message."""

    def decode(self, payload: bytes, fields: Sequence[str], received_ns: int) -> Any:
        """Wait."""
        threading.Event().wait()


class HangOnce:
    """Counts its windows; waits for ever at its third one, unless the file ``mended`` is there."""

    def __init__(self, mended: str) -> None:
        self._mended, self._seen = Path(mended), 0

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Wait, or tell the number of the window."""
        if self._seen == 2 and not self._mended.exists():
            threading.Event().wait()
        self._seen += 1
        return (FunctionEvent("counted", {"number": self._seen}),)

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"seen": self._seen}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._seen = before["seen"]
