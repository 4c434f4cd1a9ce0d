"""A function that never returns."""

import threading
from collections.abc import Iterable

from fl_common.functions import FunctionEvent, Predicted


class Hang:
    """Waits for ever at its first prediction."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Wait."""
        threading.Event().wait()
        return ()
