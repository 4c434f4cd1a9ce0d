"""The function host: a child process in which a box's functions run, inside a wall.

What somebody else has written may hang, crash, ask for all memory, or look around. So nothing of it
runs in the sensing process: the host's process has no network and can't read the site's data
(``wall``), and a call that takes too long ends with it. What functions remember is kept outside, so
a new process goes on where the one before was.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fl_common.configuration.rules import above, require_fields
from fl_common.functions import FunctionEvent, Predicted


@dataclass(frozen=True)
class FunctionSource:
    """What a function is made of.

    With ``at``, its place in the configuration, ``node`` is a node with a ``_target_``; without it,
    a component's ``class`` and ``arguments``.
    """

    node: Mapping[str, Any]
    at: str | None = None

    @property
    def class_name(self) -> str:
        """The dotted name of its class."""
        return str(self.node.get("_target_" if self.at else "class"))


@dataclass(frozen=True)
class Answer:
    """What came of a call.

    ``events`` is None if the function has no answer to this window, and ``failures`` say why.
    ``content`` is what it remembers now, as JSON; None: it remembers nothing.
    """

    events: Sequence[FunctionEvent] | None
    content: str | None
    failures: Sequence[str]
    seconds: float


class CallEnded(Exception):
    """The process ended during a call, or was ended; the text says why."""


class HostClosed(Exception):
    """The host was closed."""


class HostUnavailable(OSError):
    """No process can be started at the moment; that says nothing of a function."""


@dataclass(frozen=True)
class HostLimits:
    """Limits of a host: seconds of a call, and memory beyond what its process begins with.

    Raises:
        InvalidConfiguration: a value that is not positive.
    """

    seconds: float
    megabytes: float

    def __post_init__(self) -> None:
        require_fields("function_host", self, seconds=above(0), megabytes=above(0))


class Host(Protocol):
    """Runs functions; ``key`` names what was made of one source, which has an object a stream."""

    @property
    def starts(self) -> Mapping[str, int]:
        """How many processes there were, by why each was started."""
        ...

    def check(self, source: FunctionSource) -> None:
        """Make a function of ``source`` once, in a process of its own.

        Raises:
            JoinTheDotsError: it can't be made.
            HostUnavailable: it could not be tried.
            HostClosed: the host was closed, perhaps meanwhile.
        """
        ...

    def call(
        self, key: int, source: FunctionSource, content: str | None, predicted: Predicted
    ) -> Answer:
        """Show a prediction to the function of its stream.

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
