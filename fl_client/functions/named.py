"""What a box keeps of each function that it runs."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fl_client.functions.failing import Failing
from fl_client.functions.host import Answer, FunctionSource
from fl_common.functions.events import Event, Predicted, Window, kind_of_event

MOST_HELD = 64
"""Windows whose effects may be uncommitted, all of which a failed commit shows again."""
SET_BACK_NS = 3600 * 10**9
"""How far back a window begins if the sensors' clock was set back, and it is not just late."""
_NEVER = -(2**63)

Place = tuple[str, str, int]
"""An event's kind, stream and start."""
Observe = Callable[[Answer], None]
"""Is told what a function answered."""


@dataclass
class State:
    """A function of one stream: the newest window that it saw, and what it remembers.

    It is that of a prediction; ``newest_window_ns`` that of a window's own values. ``late`` ones in
    a row have come since then that do not begin after it.
    """

    newest_ns: int = _NEVER
    content: str | None = None
    late: int = 0
    newest_window_ns: int = _NEVER

    def behind_ns(self, event: Predicted | Window) -> int:
        """How far a window begins before the newest one; note that it comes.

        Negative: it is the newest now, as is one that begins ``SET_BACK_NS`` before.
        """
        is_window = isinstance(event, Window)
        newest_ns = self.newest_window_ns if is_window else self.newest_ns
        behind_ns = newest_ns - event.start_ns
        if 0 <= behind_ns < SET_BACK_NS:
            self.late += 1
            return behind_ns
        if is_window:
            self.newest_window_ns = event.start_ns
        else:
            self.newest_ns = event.start_ns
        self.late = 0
        return -1


@dataclass(frozen=True)
class Standby:
    """What takes the place of a function that is left out, and what observes it."""

    source: FunctionSource
    observe: Observe | None = None


@dataclass
class Named:
    """A source under a name, with the states of its streams; the one called last is the last."""

    key: int
    source: FunctionSource
    failing: Failing
    observe: Observe | None = None
    standby: Standby | None = None
    before: dict[str, State] = field(default_factory=dict)  # of the one that it replaces
    ends: int = 0  # calls of a candidate that ended the host's process
    failed: deque[Place] = field(default_factory=lambda: deque(maxlen=MOST_HELD))
    counted: set[Place] = field(default_factory=set)  # of those that are shown again
    of: dict[str, State] = field(default_factory=dict)

    @property
    def heard_by_standby(self) -> frozenset[str]:
        """The functions whose events are taken by what would take its place."""
        return self.standby.source.heard if self.standby is not None else frozenset()

    def states_for(self, source: FunctionSource) -> dict[str, State]:
        """The states from which a function of ``source`` goes on: one of the same class."""
        same = source.class_name == self.source.class_name
        return {**self.before, **self.of} if same else {}


def why_silent(named: Named | None, event: Event) -> str | None:
    """Why a function is not shown an event; None: it is."""
    if named is None:
        return "no function of this name runs"
    if not named.source.takes(event):
        return f"it does not take this {kind_of_event(event)} any more"
    return "it is disabled" if named.failing.is_disabled else None
