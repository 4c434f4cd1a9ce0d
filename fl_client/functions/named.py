"""What a box keeps of each function that it runs."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fl_client.functions.host import Answer, FunctionSource

MOST_HELD = 64
"""Windows whose effects may be uncommitted, all of which a failed commit shows again."""
SET_BACK_NS = 3600 * 10**9
"""How far back a window begins if the sensors' clock was set back, and it is not just late."""
_NEVER = -(2**63)

Observe = Callable[[Answer], None]
"""Is told what a function answered."""


@dataclass
class State:
    """A function of one stream: the newest window that it saw, and what it remembers.

    ``late`` windows in a row have come since then that do not begin after it.
    """

    newest_ns: int = _NEVER
    content: str | None = None
    late: int = 0

    def behind_ns(self, start_ns: int) -> int:
        """How far a window begins before the newest one; note that it comes.

        Negative: it is the newest now, as is one that begins ``SET_BACK_NS`` before.
        """
        behind_ns = self.newest_ns - start_ns
        if 0 <= behind_ns < SET_BACK_NS:
            self.late += 1
            return behind_ns
        self.newest_ns, self.late = start_ns, 0
        return -1


@dataclass
class Named:
    """A source under a name, with the states of its streams; the one called last is the last."""

    key: int
    source: FunctionSource
    observe: Observe | None = None
    before: dict[str, State] = field(default_factory=dict)  # of the one that it replaces
    failures: int = 0
    failed: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=MOST_HELD))
    counted: set[tuple[str, int]] = field(default_factory=set)  # of those that are shown again
    of: dict[str, State] = field(default_factory=dict)

    def states_for(self, source: FunctionSource) -> dict[str, State]:
        """The states from which a function of ``source`` goes on: one of the same class."""
        same = source.class_name == self.source.class_name
        return {**self.before, **self.of} if same else {}
