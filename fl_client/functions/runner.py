"""Runs the functions of a box; one that fails stops neither the loop nor the others.

A function remembers windows, so each stream has one of its own.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fl_client.store.function_memory import Memories, Memory
from fl_client.windows import MOST_STREAMS
from fl_common.functions import Function, FunctionEvent, Predicted, Remembering

_logger = logging.getLogger(__name__)
_SET_BACK_NS = 3600 * 10**9
_NEVER = -(2**63)

Make = Callable[[], Function]
Around = Callable[[Function], Function]


@dataclass
class _Running:
    """A function of one stream; ``own`` is what remembers, which ``function`` may wrap."""

    function: Function
    own: object
    newest_ns: int = _NEVER

    @property
    def class_name(self) -> str:
        kind = type(self.own)
        return f"{kind.__module__}.{kind.__qualname__}"

    def content(self) -> str | None:
        """What it remembers, as JSON."""
        if not isinstance(self.own, Remembering):
            return None
        return json.dumps(self.own.remembered(), allow_nan=False)

    def go_on_from(self, memory: Memory) -> None:
        """Go on from a memory of the same class; one of another has no effect."""
        if memory.class_name != self.class_name:
            return
        self.newest_ns = memory.newest_ns
        if isinstance(self.own, Remembering) and memory.content is not None:
            self.own.remember(json.loads(memory.content))


@dataclass
class _Named:
    """What makes a function, and those it made, by stream; the one called last is the last."""

    make: Make
    around: Around | None
    failures: int = 0
    of: dict[str, _Running] = field(default_factory=dict)

    def made(self) -> _Running:
        own = self.make()
        return _Running(own if self.around is None else self.around(own), own)


class Functions:
    """Functions by name: those of the configuration, and those added by ``use``.

    Each is made for every stream of its own, and sees a window once, in the order of time: one that
    comes after a later one is counted in ``late`` and not shown to it. (More than an hour earlier,
    the sensors' clock was set back.) Beyond ``MOST_STREAMS``, those of the stream that was not seen
    for longest begin anew.

    Exceptions are counted. After ``failures_allowed`` of them a function is disabled until it is
    replaced or the node restarts. Call from one thread; ``use`` may be called from any.

    Raises:
        JoinTheDotsError: what ``makers`` raise, which are called once at first.
    """

    def __init__(self, makers: Mapping[str, Make], failures_allowed: int) -> None:
        self._running = {name: _Named(make, None) for name, make in makers.items()}
        for make in makers.values():
            make()
        self._allowed = failures_allowed
        self._failures: Counter[str] = Counter(dict.fromkeys(makers, 0))
        self._memories: dict[tuple[str, str], Memory] = {}
        self._changing = threading.RLock()
        self.late: Counter[str] = Counter()
        """Windows that were not shown to a function, since a later one had been."""

    def use(self, name: str, make: Make | None, around: Around | None = None) -> None:
        """Run what ``make`` makes under ``name`` from the next window on, replacing any before it.

        None removes it. One of the same class goes on from the memory of the one before. ``around``
        wraps each.
        """
        with self._changing:
            self._memories = {**self._memories, **self.memories()}
            self._running.pop(name, None)
            if make is not None:
                self._running[name] = _Named(make, around)
                self._failures[name] += 0

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each function has raised."""
        return dict(self._failures)

    @property
    def disabled(self) -> Sequence[str]:
        """Names of the functions that are disabled."""
        return [n for n, named in self._running.items() if named.failures >= self._allowed]

    def go_on_from(self, memories: Memories) -> None:
        """Go on behind the window of the ``memories``, those of the last commit."""
        with self._changing:
            self._memories = {**memories}
            for named in self._running.values():
                named.of.clear()

    def memories(self, streams: Collection[str] | None = None) -> Memories:
        """What the functions of ``streams`` (None: of all) that have seen a window remember."""
        found = {}
        for name, named in self._running.items():
            for stream in list(named.of) if streams is None else streams & named.of.keys():
                if (running := named.of[stream]).newest_ns == _NEVER:
                    continue
                try:
                    content = running.content()
                except Exception as error:
                    self._failed(name, named, error)
                    content = None
                found[stream, name] = Memory(running.newest_ns, running.class_name, content)
        return found

    def __call__(self, predicted: Predicted) -> list[tuple[str, FunctionEvent]]:
        """The events of all functions, each with its function's name."""
        found: list[tuple[str, FunctionEvent]] = []
        with self._changing:
            for name, named in self._running.items():
                if named.failures >= self._allowed:
                    continue
                try:
                    running = self._of(name, named, predicted.stream)
                    if not self._is_late(name, running, predicted):
                        found += [(name, _checked(event)) for event in running.function(predicted)]
                except (Exception, SystemExit) as error:
                    self._failed(name, named, error)
        return found

    def _of(self, name: str, named: _Named, stream: str) -> _Running:
        """The function of the stream, which is made for its first window."""
        running = named.of.pop(stream, None)
        if running is None:
            running = named.made()
            if (memory := self._memories.pop((stream, name), None)) is not None:
                self._go_on(name, named, running, memory)
        named.of[stream] = running
        if len(named.of) > MOST_STREAMS:
            del named.of[next(iter(named.of))]
        return running

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

    def _go_on(self, name: str, named: _Named, running: _Running, memory: Memory) -> None:
        try:
            running.go_on_from(memory)
        except Exception as error:
            self._failed(name, named, error)

    def _failed(self, name: str, named: _Named, error: BaseException) -> None:
        named.failures += 1
        self._failures[name] += 1
        left = self._allowed - named.failures
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
