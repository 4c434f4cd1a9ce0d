"""Runs the functions of a box; one that fails stops neither the loop nor the others."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fl_client.store.function_memory import Memory
from fl_common.functions import Function, FunctionEvent, Predicted, Remembering

_logger = logging.getLogger(__name__)
_SET_BACK_NS = 3600 * 10**9
_NEVER = -(2**63)


@dataclass
class _Running:
    """A function; ``own`` is what remembers where that is another object, such as a wrapped one."""

    function: Function
    own: object
    failures: int = 0
    newest_ns: int = _NEVER
    fresh: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        with suppress(Exception):  # it is told when it has something to remember
            self.fresh = self.content()

    @property
    def class_name(self) -> str:
        kind = type(self.own)
        return f"{kind.__module__}.{kind.__qualname__}"

    def content(self) -> str | None:
        """What it remembers, as JSON."""
        if not isinstance(self.own, Remembering):
            return None
        return json.dumps(self.own.remembered(), allow_nan=False)

    def go_on_from(self, memory: Memory | None) -> None:
        """Go on from a memory of the same class, or anew."""
        same = memory is not None and memory.class_name == self.class_name
        self.newest_ns = memory.newest_ns if memory is not None and same else _NEVER
        content = memory.content if memory is not None and same else None
        content = self.fresh if content is None else content
        if isinstance(self.own, Remembering) and content is not None:
            self.own.remember(json.loads(content))


class Functions:
    """Functions by name: those of the configuration, and those added by ``use``.

    Each sees a window once, in the order of time: one that comes after a later one is counted in
    ``late`` and not shown to it. (More than an hour earlier, the sensors' clock was set back.)

    Exceptions are counted. After ``failures_allowed`` of them a function is disabled until it is
    replaced or the node restarts. Call from one thread; ``use`` may be called from any.
    """

    def __init__(self, functions: Mapping[str, Function], failures_allowed: int) -> None:
        self._running = {name: _Running(one, one) for name, one in functions.items()}
        self._allowed = failures_allowed
        self._failures: Counter[str] = Counter(dict.fromkeys(functions, 0))
        self._memories: Mapping[str, Memory] = {}
        self.late: Counter[str] = Counter()
        """Windows that were not shown to a function, since a later one had been."""

    def use(self, name: str, function: Function | None, own: object | None = None) -> None:
        """Run ``function`` under ``name`` from the next window on, replacing any before it.

        None removes it. One of the same class goes on from the memory of the one before. ``own`` is
        the object that remembers, if ``function`` wraps it.
        """
        running = {other: one for other, one in self._running.items() if other != name}
        if function is not None:
            running[name] = _Running(function, own or function)
            self._go_on(name, running[name], self.memories().get(name, self._memories.get(name)))
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

    def go_on_from(self, memories: Mapping[str, Memory]) -> None:
        """Go on behind the window of the ``memories``, those of the last commit."""
        self._memories = memories
        for name, running in self._running.items():
            self._go_on(name, running, memories.get(name))

    def memories(self) -> Mapping[str, Memory]:
        """What the functions that have seen a window remember."""
        found = {}
        for name, running in self._running.items():
            if running.newest_ns == _NEVER:
                continue
            try:
                content = running.content()
            except Exception as error:
                self._failed(name, running, error)
                content = None
            found[name] = Memory(running.newest_ns, running.class_name, content)
        return found

    def __call__(self, predicted: Predicted) -> list[tuple[str, FunctionEvent]]:
        """The events of all functions, each with its function's name."""
        found: list[tuple[str, FunctionEvent]] = []
        for name, running in self._running.items():
            if running.failures >= self._allowed or self._is_late(name, running, predicted):
                continue
            try:
                found += [(name, _checked(event)) for event in running.function(predicted)]
            except Exception as error:
                self._failed(name, running, error)
        return found

    def _is_late(self, name: str, running: _Running, predicted: Predicted) -> bool:
        behind_ns = running.newest_ns - predicted.start_ns
        if 0 <= behind_ns < _SET_BACK_NS:
            self.late[name] += 1
            if self.late[name] == 1:
                _logger.warning(
                    "function %s is not shown a window that comes %.1f s after a later one. Lower"
                    " windows.longest_gap_s or the sensors' loss if that is often; further ones are"
                    " counted in fl_client_function_late_total",
                    name, behind_ns / 1e9)  # fmt: skip
            return True
        running.newest_ns = predicted.start_ns
        return False

    def _go_on(self, name: str, running: _Running, memory: Memory | None) -> None:
        try:
            running.go_on_from(memory)
        except Exception as error:
            self._failed(name, running, error)

    def _failed(self, name: str, running: _Running, error: Exception) -> None:
        running.failures += 1
        self._failures[name] += 1
        left = self._allowed - running.failures
        then = f"it is disabled after {left} more" if left > 0 else "it is disabled until a restart"
        _logger.warning(
            "function %s raised %s: %s; %s. Correct it, or take it out of functions in the"
            " configuration, and restart the node.",
            name,
            type(error).__name__,
            error,
            then,
            exc_info=error,
        )


def _checked(event: FunctionEvent) -> FunctionEvent:
    """The event, whose kind and data can be sent.

    Raises:
        TypeError, ValueError: they can't.
    """
    if not event.kind.isprintable() or not event.kind:
        raise ValueError(f"the kind {event.kind!r} of its event is not a printable word")
    json.dumps(event.data, allow_nan=False)
    return event
