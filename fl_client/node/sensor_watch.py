"""What each sensor sends, what of it is lost and why; and whether it does what it is for.

A sensor is in trouble if nothing that comes from it can be used, or if nothing comes for longer
than it may be silent. So are the windows if readings come and none is made of them.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fl_client.node.pipeline import PipelineStep
from fl_client.sensors import Annotation, Malformed, Readings
from fl_client.sensors.intake import ANNOTATIONS
from fl_common.programs.troubles import Troubles

STRANGE = "other topics"
"""The source of messages to topics that no sensor has."""
_IN_A_ROW = 10
"""Messages that can't be used, one after the other, before their sensor is in trouble."""
_NO_READING = frozenset({"other", "death", "command"})
"""Reasons of messages on the sensor's topic that need not have a reading of it."""
_RATE_OVER_S = 5.0
_QUIET_S = 60.0
_WINDOWS_AT_LEAST_S, _WINDOWS_TIMES = 60.0, 3.0
_OFF_NS = 86_400 * 10**9
_REMEDIES = {
    "late": "Check its clock and its time_unit; windows.lateness_s is what it may be behind",
    "ahead": "Check its clock, its time_unit and this box's clock",
    "repeated": "Each is equal to an earlier one, in its time stamps, too: mend what sends it",
    "streams": "Raise most_streams, or correct its stream, the level of its topic that names one",
    "full_rejected": "The spool is full: see why windows are not made, or raise spool.limit_bytes",
}
_MALFORMED = "Compare what it sends with its declaration; the log has the first of each reason"
_SUBSCRIBED = (
    "If it is a sensor's, correct the sensor's topic; if not, the broker's session has a topic that"
    " this box did not ask for: end the session there, or give the box another broker.identity"
)
_SILENT = "Check that it runs, its topic, the broker's rights; or raise its silent_s"
_NO_WINDOWS = (
    "Check the sensors' rates, time_units and channels: all channels of the task must come, and"
    " without a gap longer than windows.longest_gap_s"
)


@dataclass
class SensorCounts:
    """What came from a sensor since the start, and what of it since the last usable message."""

    messages: int = 0
    readings: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    last_seen_s: float | None = None
    """When a message came last, in seconds since 1970."""
    readings_per_s: float = 0.0
    unused: Counter[str] = field(default_factory=Counter)
    used_at: float = 0.0
    lost_at: float = 0.0
    newest_ns: int = 0
    rated: tuple[float, int] = (0.0, 0)

    def lose(self, reason: str, now: float) -> None:
        """Count a message that can't be used."""
        self.lost[reason] += 1
        self.unused[reason] += 1
        self.lost_at = now

    def use(self, now: float) -> None:
        """Note that one can."""
        self.used_at = now
        self.unused.clear()


class SensorWatch:
    """Counts for the sensors of ``silent_s``: how long each may be silent, None for ever.

    ``window_s`` is how long a window takes. ``timer`` is a clock in seconds that nobody sets,
    ``clock`` the box's in seconds since 1970. Any thread may call any method.
    """

    def __init__(
        self,
        silent_s: Mapping[str, float | None],
        window_s: float,
        troubles: Troubles,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._silent_s, self._troubles = silent_s, troubles
        self._limit_s = max(_WINDOWS_AT_LEAST_S, _WINDOWS_TIMES * window_s)
        self._timer, self._clock, self._lock = timer, clock, threading.Lock()
        now = timer()
        names = (*silent_s, ANNOTATIONS, STRANGE)
        self._counts = {name: SensorCounts(used_at=now, rated=(now, 0)) for name in names}
        self._waits_since: float | None = None  # for a window, since readings came
        self._read_at = now  # when usable readings came last
        self._told: dict[str, str] = {}  # parts in trouble, and of which kind

    def note(self, done: PipelineStep) -> None:
        """Note the messages that came, and what became of those that waited."""
        now_s = self._clock()
        with self._lock:
            for position, arrival in enumerate(done.arrivals):
                item = arrival.item
                counts = self._of(_source_of(item))
                counts.messages += 1
                counts.last_seen_s = now_s
                if isinstance(item, Malformed) and item.reason in _NO_READING:
                    counts.lost[f"malformed_{item.reason}"] += 1
                elif isinstance(item, Malformed):
                    counts.lose(f"malformed_{item.reason}", self._timer())
                elif position in done.appended.refused:
                    counts.lose("full_rejected", self._timer())
                elif done.held or isinstance(item, Annotation):
                    counts.use(self._timer())
                else:
                    counts.newest_ns = int(item.times_N[-1])
                    if not arrival.redelivered:  # else a repetition is the broker's doing
                        counts.unused["repeated"] += 1  # until it turns out to be used or lost
            for sensor, readings, loss in done.outcomes:
                self._settle(self._of(sensor), readings, loss)
            if done.windows:
                self._waits_since = None
                self._end("windows")

    def _settle(self, counts: SensorCounts, readings: int, loss: str | None) -> None:
        """Note what became of a message: its readings are used, or lost for a reason."""
        if loss is not None:
            counts.lose(loss, self._timer())
            counts.unused["repeated"] = max(0, counts.unused["repeated"] - 1)
            return
        counts.readings += readings
        counts.use(self._timer())
        self._read_at = counts.used_at
        if self._waits_since is None:
            self._waits_since = counts.used_at

    def look(self) -> None:
        """Begin and end the troubles of the sensors and of the windows."""
        now = self._timer()
        with self._lock:
            for name, counts in self._counts.items():
                self._rate(counts, now)
                self._judge(name, counts, now)
            self._judge_windows()

    def shown(self) -> dict[str, dict[str, Any]]:
        """Each sensor's last message, rate and losses, as JSON values."""
        with self._lock:
            return {
                name: {
                    "last_seen_s": counts.last_seen_s,
                    "messages": counts.messages,
                    "readings": counts.readings,
                    "readings_per_s": counts.readings_per_s,
                    "lost": dict(counts.lost),
                }
                for name, counts in self._counts.items()
                if name in self._silent_s or counts.messages
            }

    def _of(self, name: str) -> SensorCounts:
        """The counts of a source."""
        counts = self._counts.get(name)
        if counts is None:
            now = self._timer()
            counts = self._counts[name] = SensorCounts(used_at=now, rated=(now, 0))
        return counts

    def _rate(self, counts: SensorCounts, now: float) -> None:
        at, readings = counts.rated
        if now - at >= _RATE_OVER_S:
            counts.readings_per_s = (counts.readings - readings) / (now - at)
            counts.rated = now, counts.readings

    def _judge(self, name: str, counts: SensorCounts, now: float) -> None:
        part = name if name in (ANNOTATIONS, STRANGE) else f"sensor {name}"
        silent_s = self._silent_s.get(name)
        if name == STRANGE and now - counts.lost_at > _QUIET_S:
            counts.unused.clear()  # nothing of it can ever be used: it is over when no more comes
        unused = +counts.unused
        if unused.total() >= _IN_A_ROW:
            reason, _ = unused.most_common(1)[0]
            words = f"none of its last {unused.total()} messages can be used ({reason})"
            remedy = _SUBSCRIBED if name == STRANGE else _REMEDIES.get(reason, _MALFORMED)
            self._begin(part, reason, words, remedy)
        elif silent_s is not None and now - counts.used_at > silent_s:
            what = "usable message" if unused else "message"
            self._begin(part, what, f"no {what} for {silent_s:g} s", _SILENT)
        else:
            self._end(part)

    def _judge_windows(self) -> None:
        since = self._waits_since
        if since is None or self._read_at - since <= self._limit_s:
            return
        newest_ns = max(counts.newest_ns for counts in self._counts.values())
        words = f"readings come, but no window was made of them for {self._limit_s:g} s"
        if abs(newest_ns - self._clock() * 1e9) > _OFF_NS:
            words += f"; their stamps are far from now ({_day(newest_ns)})"
        self._begin("windows", "none", words, _NO_WINDOWS)

    def _begin(self, part: str, kind: str, cause: str, remedy: str) -> None:
        """Begin a trouble of another kind: its cause has counts, which differ each time."""
        if self._told.get(part) != kind:
            self._told[part] = kind
            self._troubles.begin(part, cause, remedy)

    def _end(self, part: str) -> None:
        if self._told.pop(part, None) is not None:
            self._troubles.end(part)


def _source_of(item: Readings | Annotation | Malformed) -> str:
    if isinstance(item, Readings):
        return item.sensor
    if isinstance(item, Annotation):
        return ANNOTATIONS
    return item.sensor or STRANGE


def _day(stamp_ns: int) -> str:
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).date().isoformat()
