"""In the function host's process: a function in a sandbox, called like an installed class.

All streams share one instance, since what is remembered is outside of it, and kept for each.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fl_client.functions.host.answers import SandboxFailed
from fl_common.functions.asked import Model, no_model
from fl_common.functions.events import Event, FunctionEvent, Window, to_stored
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import function_of, program_at
from fl_common.functions.sandbox.outcome import Outcome
from fl_common.functions.specification.sandboxed import SandboxedSpec

_logger = logging.getLogger(__name__)


class StreamInSandbox:
    """The ``function`` of one stream, which may ask ``model``."""

    def __init__(self, function: "SandboxedFunction | SandboxedShape", model: Model) -> None:
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


class SandboxedShape:
    """A shape, called like a function: what it makes of a window is its one event."""

    def __init__(self, function: SandboxedFunction) -> None:
        self._function = function

    @property
    def instances(self) -> Counter[str]:
        """See ``SandboxedFunction``."""
        return self._function.instances

    def call(self, event: Event, state: Mapping[str, str], model: Model = no_model) -> Outcome:
        """See ``SandboxedFunction``; values that are not finite are told as no numbers.

        It asks no model: it is what comes before one.
        """
        assert isinstance(event, Window)  # a box gives it nothing else
        window, outcome = self._function.transform(event)
        if window is None:
            return outcome
        return replace(outcome, events=(FunctionEvent("window", to_stored(window)["window"]),))


def make_sandboxed(given: Mapping[str, Any]) -> SandboxedFunction | SandboxedShape:
    """The function of what the node's process sends: fields, source and machine code.

    Raises:
        InvalidData: it can't be made.
    """
    spec = SandboxedSpec.read(given["fields"])
    function = function_of(spec, program_at(spec, given["source"], Path(given["machine_code"])))
    return SandboxedShape(function) if spec.world == "shape" else function
