"""What comes of a call of a function in a sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fl_common.functions.events import FunctionEvent

CAUSES = (
    "error",  # what the function returned or raised
    "fuel",
    "time",
    "memory",
    "stack",
    "trap",  # such as an instruction that can't be done, or a call of what is not there
    "events",  # too many, or too large
    "event",  # one that can't be sent, or is not as function.json says
    "state",
    "host_calls",
    "needs",  # a call of what its needs do not name
)

INSTANCES = ("start", "calls", "window", *CAUSES)
"""Why an instance is made: it is the first, the one before had enough calls, or failed so.

A shape has one for each window."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed: one of ``CAUSES``, and words; the author's line, where it is known."""

    cause: str
    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function found and remembers after a call; after a failure nothing, and as before."""

    events: Sequence[FunctionEvent]
    state: Mapping[str, str]
    lines: Sequence[tuple[str, str]]
    """What it logged: level and text."""
    failure: Failure | None
    fuel: int
    seconds: float
    unsaid: int = 0
    """Lines that it logged beyond those that are kept."""
