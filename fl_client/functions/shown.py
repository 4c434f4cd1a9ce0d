"""What became of an event that functions were shown."""

from dataclasses import dataclass, field
from typing import NamedTuple

from fl_client.store.function_memory import Memory
from fl_common.functions.events import Event, FunctionEvent


class Failed(NamedTuple):
    """An event that the function ``name`` has no answer to, and why.

    ``waits``: for a model, as none served when it asked.
    """

    name: str
    reason: str
    waits: bool = False


@dataclass
class Shown:
    """What became of an event: what functions found, failed at, and remember now."""

    event: Event
    found: list[tuple[str, FunctionEvent]] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    memories: dict[tuple[str, str], Memory] = field(default_factory=dict)
