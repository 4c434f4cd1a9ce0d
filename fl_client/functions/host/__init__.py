"""The function host: a child process in which a box's functions run, inside a wall.

What somebody else has written may hang, crash, ask for all memory, or look around. So nothing of it
runs in the sensing process: the host's process has no network and can't read the site's data
(``wall``), and a call that takes too long ends with it. What functions remember is kept outside, so
a new process goes on where the one before was.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fl_common.configuration.rules import above, require_fields
from fl_common.functions.events import (
    Event,
    FunctionEvent,
    Happening,
    Reading,
    Tick,
    kind_of_event,
    period_s,
)

ENDED, ERROR, NO_MODEL = "ended", "error", "no_model"
"""Causes of a failure: the process ended; what the function raised; that after it asked a model
while none served, which says nothing of the function."""


@dataclass(frozen=True)
class SandboxedSource:
    """What a function in a sandbox is made of: the values of its function.json, and its text.

    ``path`` is the component that runs it: its own, or the runner of ``source``; ``digest`` is that
    file's SHA-256; ``name`` is the function's, for people.
    """

    name: str
    fields: Mapping[str, Any]
    source: str | None
    path: Path
    digest: str


@dataclass(frozen=True)
class FunctionSource:
    """What a function is made of.

    With ``at``, its place in the configuration, ``node`` is a node with a ``_target_``; without it,
    a component's ``class`` and ``arguments``, or what runs in a sandbox.
    """

    node: Mapping[str, Any]
    at: str | None = None
    sandboxed: SandboxedSource | None = None
    on: tuple[tuple[str, str], ...] = (("prediction", "*"),)
    """The kinds of events that it takes, each with the name of what they are of; ``*``: of any."""
    asks: frozenset[str] = frozenset()
    """The networks that it asks by name."""

    @property
    def heard(self) -> frozenset[str]:
        """The functions whose events it takes."""
        return frozenset(of.partition("/")[0] for kind, of in self.on if kind == "happening")

    def takes(self, event: Event) -> bool:
        """Whether it is shown this event."""
        return any(one == kind_of_event(event) and _is_of(event, of) for one, of in self.on)

    @property
    def title(self) -> str:
        """What it is called in the log: its name, or that of its class."""
        return self.class_name if self.sandboxed is None else self.sandboxed.name

    @property
    def class_name(self) -> str:
        """The dotted name of its class; in a sandbox one goes on from one of its state version."""
        if self.sandboxed is not None:
            return f"sandboxed:{self.sandboxed.fields['state_version']}"
        return str(self.node.get("_target_" if self.at else "class"))


def _is_of(event: Event, of: str) -> bool:
    """Whether an event is of what is named so."""
    match event:
        case Tick():
            return event.time_ns % (period_s(of) * 10**9) == 0
        case _ if of == "*":
            return True
        case Reading():
            return of == event.sensor
        case Happening():
            return of in (event.function, f"{event.function}/{event.kind}")
        case _:
            return True  # a box has one task, and takes nothing for another


@dataclass(frozen=True)
class Answer:
    """What came of a call.

    ``events`` is None if the function has no answer to this window, and ``failures`` say why.
    ``content`` is what it remembers now, as JSON; None: it remembers nothing. ``cause`` is
    why a call failed, if it did: ``ENDED``, ``NO_MODEL``, or one of a sandbox's ``CAUSES``.
    ``fuel`` is what it took in a sandbox, and ``instances`` are those made for it there, by why
    (``INSTANCES``).
    ``unsaid`` lines that it logged are not in the log.
    """

    events: Sequence[FunctionEvent] | None
    content: str | None
    failures: Sequence[str]
    seconds: float
    fuel: int = 0
    cause: str = ERROR
    instances: Mapping[str, int] = field(default_factory=dict)
    unsaid: int = 0

    @property
    def waits(self) -> bool:
        """Whether it failed for want of a model."""
        return self.events is None and self.cause == NO_MODEL

    @property
    def outcome(self) -> str:
        """In a word: ``found`` something, ``nothing``, or the cause of the failure."""
        if self.failures:
            return self.cause
        return "found" if self.events else "nothing"


class CallEnded(Exception):
    """The process ended during a call, or was ended; the text says why."""


class HostClosed(Exception):
    """The host was closed."""


class HostUnavailable(OSError):
    """No process can be started at the moment; that says nothing of a function."""


@dataclass(frozen=True)
class HostLimits:
    """Limits of a host: seconds of a call, and memory beyond what its process begins with.

    ``sandbox_megabytes`` are those of the functions in sandboxes besides; 0: there are none.

    Raises:
        InvalidConfiguration: a value that is not positive.
    """

    seconds: float
    megabytes: float
    sandbox_megabytes: float = 0.0

    def __post_init__(self) -> None:
        require_fields("function_host", self, seconds=above(0), megabytes=above(0))


class Host(Protocol):
    """Runs functions; ``key`` names what was made of one source, which has an object a stream."""

    @property
    def starts(self) -> Mapping[str, int]:
        """How many processes there were, by why each was started."""
        ...

    def is_ready(self, source: FunctionSource) -> bool:
        """Whether it can be made without being compiled first."""
        ...

    def check(self, source: FunctionSource) -> None:
        """Make a function of ``source`` once, in a process of its own.

        Raises:
            JoinTheDotsError: it can't be made.
            HostUnavailable: it could not be tried.
            HostClosed: the host was closed, perhaps meanwhile.
        """
        ...

    def call(self, key: int, source: FunctionSource, content: str | None, event: Event) -> Answer:
        """Show an event to the function of its stream.

        One that is not there is made, and goes on from ``content``.

        Raises:
            CallEnded: the process ended; the next call has a new one.
            HostClosed: there is no process any more.
        """
        ...

    def drop(self, key: int, stream: str) -> None:
        """Let the function be made anew at its next call."""
        ...

    def keep(self, keys: Collection[int]) -> None:
        """Drop all others."""
        ...
