"""How much a function may use: of each call, and to remember."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from fl_common.configuration.rules import require_fields, whole
from fl_common.errors import InvalidData

MOST_EVENTS = 1000
"""Of one call of any function."""
MOST_REMEMBERED = 64 << 10
"""Bytes that any function remembers of one stream: all are kept in memory and in the store."""

MOST: Mapping[str, int] = {
    "fuel": 10**12,
    "memory_mb": 4096,  # what WebAssembly can address
    "milliseconds": 600_000,
    "events": MOST_EVENTS,
    "event_bytes": 512 << 10,  # four times as much, escaped, is a message between processes
    "state_bytes": MOST_REMEMBERED,
    "host_calls": 10**6,
}
"""The most that any function in a sandbox may ask for."""


@dataclass(frozen=True)
class Limits:
    """Limits of a function in a sandbox.

    Raises:
        InvalidConfiguration: a value that is not a whole number of at least 1.
    """

    fuel: int
    """Of one call: about one for each instruction of WebAssembly; the same on every machine."""
    memory_mb: int
    milliseconds: int
    """Of one call, on the clock on the wall."""
    events: int
    """Of one call."""
    event_bytes: int
    """Of all events of one call, as JSON."""
    state_bytes: int
    """Of all that it remembers of one stream, as it is stored: a JSON object in ASCII."""
    host_calls: int
    """How often one call may emit, log, get, put and drop: they take time, and no fuel."""

    def __post_init__(self) -> None:
        names = (field.name for field in fields(self))
        require_fields("limits", self, **{name: whole(1) for name in names})

    def check_within(self, granted: "Limits", whose: str) -> None:
        """Raise InvalidData if they ask for more than is ``granted``, which is ``whose``."""
        for field in fields(self):
            asked, most = getattr(self, field.name), getattr(granted, field.name)
            if asked > most:
                raise InvalidData(
                    f"limits.{field.name}={asked:,} of the function",
                    f"is more than {whose} ({most:,})",
                    "Publish it with less, or raise what is granted",
                )
