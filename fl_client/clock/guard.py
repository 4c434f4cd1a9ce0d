"""Whether the box's clock can be believed: the one decision on it, without a clock of its own.

A clock is in doubt while

1. it reads a time before this version was made;
2. it jumped, measured against the time since the machine's start, which nobody sets;
3. at the start it reads a time before the last one that was believed, or more than a day after it:
   a box that was off for so long looks the same as one whose clock is wrong;
4. more sources with clocks of their own are ahead of it than agree with it.

A source with stamps of two clocks, such as two devices on one topic, tells nothing, and is a
trouble of its own.

A doubt of kind 2 or 3 ends as soon as more sources agree with the clock than do not, or the clock
is back. Every doubt ends when somebody vouches for the clock: NTP, or the operator.

While it is in doubt nothing may be done that can't be undone: nothing is deleted for its age, and
nothing is lost for its time stamp.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fl_common.programs.troubles import Troubles

_SECOND = 10**9
_JUMP_NS = 60 * _SECOND
"""The clock is set by this much without a doubt: NTP and people correct drift in small steps."""
_OFF_NS = 86_400 * _SECOND
"""A box that was off for no longer needs nobody to confirm its clock."""
_MOST = 1000
"""Sources that are remembered; of more the ones heard first are forgotten."""
_NAMED = 3
_DELAY_NS = 3600 * _SECOND
"""A source whose stamps are this old may agree: its clock may be slow, or its messages late."""
_TWO_CLOCKS_NS = 600 * _SECOND
"""Within so long a source's stamps are of one clock, or tell nothing."""
_OWN_TOPIC = "Let each device publish to a topic of its own, and compare their clocks"


@dataclass(frozen=True, slots=True)
class Instant:
    """One look at two clocks.

    ``wall_ns`` since 1970 is the one that is set, ``elapsed_ns`` the time since any fixed instant.
    """

    wall_ns: int
    elapsed_ns: int

    @property
    def offset_ns(self) -> int:
        """What the clock is set to, apart from the time that passes."""
        return self.wall_ns - self.elapsed_ns


class Doubt(StrEnum):
    """Why a clock is not believed."""

    EARLY = "early"
    JUMPED = "jumped"
    PASSED = "passed"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message of a source: its stamp, when it came, and what the box's clock was set to then."""

    stamp_ns: int
    elapsed_ns: int
    box_ns: int

    @property
    def offset_ns(self) -> int:
        """What its clock is set to, apart from the time that passes."""
        return self.stamp_ns - self.elapsed_ns

    def is_of_another_clock(self, other: "_Heard") -> bool:
        """Whether its clock is another; one that is taken from the box's moves with that."""
        apart_ns = self.offset_ns - other.offset_ns
        return min(abs(apart_ns), abs(apart_ns - self.box_ns + other.box_ns)) > _JUMP_NS

    def lead_ns(self, now: Instant) -> int:
        """How far the stamp is ahead of the clock at its arrival, by what the clock is set to."""
        return self.offset_ns - now.offset_ns


class _Source:
    """The newest message of a source, and the last one of another clock than that."""

    def __init__(self, first: _Heard) -> None:
        self.newest = first
        self._other: _Heard | None = None
        self._returned_ns: int | None = None

    def hear(self, heard: _Heard) -> None:
        """Note one more.

        A clock that is set is another one from then on; back to the one before come two clocks.
        """
        if heard.is_of_another_clock(self.newest):
            before, self._other = self._other, self.newest
            since_ns = heard.elapsed_ns - _TWO_CLOCKS_NS
            is_recent = before is not None and before.elapsed_ns >= since_ns
            if before is not None and is_recent and not heard.is_of_another_clock(before):
                self._returned_ns = heard.elapsed_ns
        self.newest = heard

    def apart_ns(self, now: Instant, ahead_ns: int) -> int:
        """How far its clocks are apart, if one is ahead of the box's and one is not; else 0."""
        if self._returned_ns is None or self._other is None:
            return 0
        if now.elapsed_ns - self._returned_ns > _TWO_CLOCKS_NS:
            return 0
        early, late = sorted((self._other, self.newest), key=lambda heard: heard.offset_ns)
        is_told = early.lead_ns(now) <= ahead_ns < late.lead_ns(now)
        return late.offset_ns - early.offset_ns if is_told else 0


class ClockGuard:
    """Watches one clock. Any thread may call any method.

    ``earliest_ns`` is when this version was made; a source is ahead if its stamps are so by more
    than ``ahead_ns``. ``vouched`` says whether somebody vouches for the clock as it is set at an
    instant. A doubt is a trouble of the part ``clock``, with ``remedy``.
    """

    def __init__(
        self,
        earliest_ns: int,
        ahead_ns: int,
        vouched: Callable[[Instant], bool],
        troubles: Troubles,
        remedy: str,
    ) -> None:
        self._earliest_ns, self._ahead_ns, self._vouched = earliest_ns, ahead_ns, vouched
        self._troubles, self._remedy = troubles, remedy
        self._lock = threading.Lock()
        self._heard: dict[str, _Source] = {}
        self._apart: set[str] = set()  # sources that were told to have two clocks
        self._believed: Instant | None = None
        self._known_ns: int | None = None
        self._began_ns: int | None = None
        self._told: Doubt | None = None

    def recall(self, known_ns: int | None) -> None:
        """Take ``known_ns`` as the last time that was believed before the start; None: unknown."""
        with self._lock:
            self._known_ns = known_ns

    def hear(self, source: str, stamp_ns: int, now: Instant) -> None:
        """Note that a message of ``source`` came, whose newest stamp, by its own clock, is this."""
        with self._lock:
            heard = _Heard(stamp_ns, now.elapsed_ns, now.offset_ns)
            before = self._heard.pop(source, None)
            self._heard[source] = before or _Source(heard)
            self._heard[source].hear(heard)
            self._forget()

    def suppose(self, source: str, stamp_ns: int, now: Instant) -> None:
        """As ``hear``, of a message that came before the start; void once the source is heard.

        It says something only if it is ahead: nobody knows when it came.
        """
        with self._lock:
            if stamp_ns > now.wall_ns:
                self._heard.setdefault(
                    source, _Source(_Heard(stamp_ns, now.elapsed_ns, now.offset_ns))
                )
                self._forget()

    def believes(self, now: Instant) -> bool:
        """Whether the clock can be believed ``now``."""
        with self._lock:
            if self._began_ns is None:
                self._began_ns = now.elapsed_ns
            doubt = self._doubt(now)
            if doubt is not None and self._vouched(now):
                doubt = None
            self._tell(doubt, now)
            self._tell_of_two_clocks(now)
            if doubt is None:
                self._believed = now
            return doubt is None

    def _forget(self) -> None:
        while len(self._heard) > _MOST:
            del self._heard[next(iter(self._heard))]

    def _doubt(self, now: Instant) -> Doubt | None:
        if now.wall_ns < self._earliest_ns:
            return Doubt.EARLY
        ahead, agreeing, behind = self._votes(now)
        if not self._continues(now) and agreeing <= len(ahead) + behind:
            return Doubt.PASSED if self._believed is None else Doubt.JUMPED
        return Doubt.BEHIND if len(ahead) > agreeing else None

    def _votes(self, now: Instant) -> tuple[list[str], int, int]:
        """The sources that are ahead of the clock, and the numbers that agree and that are behind.

        One whose stamp the clock has passed since is none of them.
        """
        ahead, agreeing, behind = list[str](), 0, 0
        for source, found in self._heard.items():
            if found.apart_ns(now, self._ahead_ns):
                continue
            heard = found.newest
            lead_ns = heard.lead_ns(now)
            if lead_ns <= self._ahead_ns:
                agreeing += lead_ns >= -_DELAY_NS
                behind += lead_ns < -_DELAY_NS
            elif heard.stamp_ns > now.wall_ns:
                ahead.append(source)
        return ahead, agreeing, behind

    def _continues(self, now: Instant) -> bool:
        """Whether the clock goes on from the last time that was believed."""
        if self._believed is not None:
            return abs(now.offset_ns - self._believed.offset_ns) <= _JUMP_NS
        if self._known_ns is None or self._began_ns is None:
            return True
        began_ns = now.wall_ns - (now.elapsed_ns - self._began_ns)
        return -_JUMP_NS <= began_ns - self._known_ns <= _OFF_NS

    def _tell(self, doubt: Doubt | None, now: Instant) -> None:
        """Begin or end the trouble where the doubt is another one than before."""
        if doubt is None:
            self._troubles.end("clock")
        elif doubt is not self._told:
            self._troubles.begin("clock", self._cause(doubt, now), self._remedy)
        self._told = doubt

    def _tell_of_two_clocks(self, now: Instant) -> None:
        """A source whose stamps are of two clocks is a trouble while it is."""
        found = {name: one.apart_ns(now, self._ahead_ns) for name, one in self._heard.items()}
        apart = {name for name, apart_ns in found.items() if apart_ns}
        for name in apart - self._apart:
            cause = f"its time stamps are of two clocks, {_span(found[name])} apart"
            self._troubles.begin(f"clock of {name}", cause, _OWN_TOPIC)
        for name in self._apart - apart:
            self._troubles.end(f"clock of {name}")
        self._apart = apart

    def _cause(self, doubt: Doubt, now: Instant) -> str:
        reads = f"it reads {moment(now.wall_ns)}"
        if doubt is Doubt.EARLY:
            return f"{reads}, which is before this version was made"
        if doubt is Doubt.JUMPED and self._believed is not None:
            jump_ns = now.offset_ns - self._believed.offset_ns
            return f"it jumped {_span(jump_ns)} {'forward' if jump_ns > 0 else 'back'}: {reads}"
        if doubt is Doubt.PASSED and self._known_ns is not None:
            passed_ns = now.wall_ns - self._known_ns
            side = "after" if passed_ns > 0 else "before"
            return f"{reads}, which is {_span(passed_ns)} {side} the last time that was believed"
        ahead, _, _ = self._votes(now)
        most_ns = max(self._heard[source].newest.lead_ns(now) for source in ahead)
        more = f" and {len(ahead) - _NAMED} more" if len(ahead) > _NAMED else ""
        named = ", ".join(sorted(ahead)[:_NAMED])
        return f"{reads}, and {named}{more} up to {_span(most_ns)} later"


def moment(wall_ns: int) -> str:
    """A time in nanoseconds since 1970 as people write it, in UTC."""
    return datetime.fromtimestamp(wall_ns // _SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(span_ns: int) -> str:
    """How long, whatever the sign, such as ``2:00:00`` or ``40 days, 0:00:03``."""
    return str(timedelta(seconds=round(abs(span_ns) / _SECOND)))
