"""Machines with clocks that a test sets."""

from fl_client.clock.guard import Instant
from fl_client.clock.machine import Machine, read_clocks

SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
NOON = 1_790_000_000 * SECOND


class Clocks:
    """A machine's clocks: ``true_ns`` is the time, ``wrong_by`` what the machine's adds to it."""

    def __init__(self, true_ns: int = NOON, wrong_by: int = 0, boot: str = "first") -> None:
        self.true_ns, self.wrong_by, self.boot, self.synchronised = true_ns, wrong_by, boot, False
        self._began_ns = true_ns

    def now(self) -> Instant:
        """What the clocks read."""
        return Instant(self.true_ns + self.wrong_by, self.true_ns - self._began_ns + 5 * HOUR)

    def passes(self, span_ns: int) -> None:
        """Time goes by."""
        self.true_ns += span_ns

    def restarts(self, wrong_by: int) -> None:
        """The machine is off for no time, and its clock is another."""
        self.boot, self.wrong_by, self._began_ns = self.boot + "'", wrong_by, self.true_ns

    @property
    def machine(self) -> Machine:
        """The machine that has these clocks."""
        return Machine(self.now, lambda: self.boot, lambda: self.synchronised)


def ahead_by(seconds: float) -> Machine:
    """This machine, with its clock ahead, and kept by nobody."""

    def clocks() -> Instant:
        now = read_clocks()
        return Instant(now.wall_ns + round(seconds * SECOND), now.elapsed_ns)

    return Machine(clocks, lambda: "this", lambda: False)
