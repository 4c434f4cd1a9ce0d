"""Runs the functions of a box; one that fails stops neither the loop nor the others."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fl_common.functions import Function, FunctionEvent, Predicted

_logger = logging.getLogger(__name__)


@dataclass
class _Running:
    function: Function
    failures: int = 0


class Functions:
    """Functions by name: those of the configuration, and those added by ``use``.

    Exceptions are counted. After ``failures_allowed`` of them a function is disabled until it is
    replaced or the node restarts. Call from one thread; ``use`` may be called from any.
    """

    def __init__(self, functions: Mapping[str, Function], failures_allowed: int) -> None:
        self._running = {name: _Running(function) for name, function in functions.items()}
        self._allowed = failures_allowed
        self._failures: Counter[str] = Counter(dict.fromkeys(functions, 0))

    def use(self, name: str, function: Function | None) -> None:
        """Run ``function`` under ``name`` from the next window on, replacing any before it.

        None removes it.
        """
        running = {other: one for other, one in self._running.items() if other != name}
        if function is not None:
            running[name] = _Running(function)
            self._failures[name] += 0
        self._running = running  # atomic: a call in progress keeps the old mapping

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each function has raised."""
        return dict(self._failures)

    @property
    def disabled(self) -> Sequence[str]:
        """Names of the functions that are disabled."""
        return [n for n, running in self._running.items() if running.failures >= self._allowed]

    def __call__(self, predicted: Predicted) -> list[tuple[str, FunctionEvent]]:
        """The events of all functions, each with its function's name."""
        found: list[tuple[str, FunctionEvent]] = []
        for name, running in self._running.items():
            if running.failures >= self._allowed:
                continue
            try:
                found += [(name, event) for event in running.function(predicted)]
            except Exception as error:
                self._failed(name, running, error)
        return found

    def _failed(self, name: str, running: _Running, error: Exception) -> None:
        running.failures += 1
        self._failures[name] += 1
        left = self._allowed - running.failures
        then = f"it is disabled after {left} more" if left else "it is disabled until a restart"
        _logger.warning(
            "function %s raised %s: %s; %s. Correct it, or take it out of functions in the"
            " configuration, and restart the node.",
            name,
            type(error).__name__,
            error,
            then,
            exc_info=error,
        )
