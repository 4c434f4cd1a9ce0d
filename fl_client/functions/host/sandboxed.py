"""In the function host's process: a function in a sandbox, called like an installed class.

All streams share one instance, since what is remembered is outside of it, and kept for each.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fl_client.functions.host.answers import SandboxFailed
from fl_common.functions.asked import Model
from fl_common.functions.events import Event, FunctionEvent
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import function_of, program_at
from fl_common.functions.specification.sandboxed import SandboxedSpec

_logger = logging.getLogger(__name__)


class StreamInSandbox:
    """The ``function`` of one stream, which may ask ``model``."""

    def __init__(self, function: SandboxedFunction, model: Model) -> None:
        self._function, self._model = function, model
        self._state: Mapping[str, str] = {}
        self.fuel = self.unsaid = 0
        """What the last call took, and lines of its log that are not kept."""

    def __call__(self, event: Event) -> Iterable[FunctionEvent]:
        """See ``Function``. Raises SandboxFailed, after which it remembers what it did before."""
        outcome = self._function.call(event, self._state, self._model)
        self.fuel, self.unsaid = outcome.fuel, outcome.unsaid
        for level, text in outcome.lines:
            _logger.log(getattr(logging, level.upper()), "%s", text)
        if outcome.failure is not None:
            raise SandboxFailed(outcome.failure.text, outcome.failure.cause)
        self._state = outcome.state
        return outcome.events

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return self._state

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._state = {str(key): str(value) for key, value in before.items()}


def make_sandboxed(given: Mapping[str, Any]) -> SandboxedFunction:
    """The function of what the node's process sends: fields, source and machine code.

    Raises:
        InvalidData: it can't be made.
    """
    spec = SandboxedSpec.read(given["fields"])
    return function_of(spec, program_at(spec, given["source"], Path(given["machine_code"])))
