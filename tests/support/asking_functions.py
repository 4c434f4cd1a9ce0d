"""Functions, as installed classes, that ask networks."""

from collections.abc import Iterable, Sequence

import numpy as np

from fl_common.functions import FunctionEvent
from fl_common.functions.classes import Ask
from fl_common.functions.events import Event


class AsksMany:
    """Asks each of ``networks`` so many ``times`` about one window: a crop for each line of it."""

    def __init__(self, networks: Sequence[str], times: int) -> None:
        self._networks, self._times = networks, times
        self._ask: Ask | None = None

    def ask_by(self, ask: Ask) -> None:
        """See ``Asking``."""
        self._ask = ask

    def __call__(self, event: Event) -> Iterable[FunctionEvent]:
        assert self._ask is not None
        values = np.ones((1, 4), np.float32)
        found = [
            float(self._ask(name, values)[0]) for name in self._networks for _ in range(self._times)
        ]
        yield FunctionEvent("found", {"answers": len(found), "total": sum(found)})
