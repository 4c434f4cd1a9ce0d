"""The machine's clocks: the one that is set, the one that is not, and whether NTP keeps the first.

The second counts while the machine sleeps, too; else waking up would look like a jump.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fl_client.clock.guard import Instant

RELEASED_NS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 10**9
"""No clock that is right reads less: a release moves it to the start of its year."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_UNSYNCHRONISED = 5  # TIME_ERROR of <sys/timex.h>
_STRUCTURE_BYTES = 512  # more than struct timex has anywhere


@dataclass(frozen=True)
class Machine:
    """A machine: its ``clocks``, the identity of its present run, and whether NTP keeps its time.

    ``boot`` is empty where the kernel does not tell.
    """

    clocks: Callable[[], Instant]
    boot: Callable[[], str]
    synchronised: Callable[[], bool]


def read_clocks() -> Instant:
    """Both clocks now."""
    return Instant(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def is_synchronised() -> bool:
    """Whether the kernel says that NTP or the like keeps the clock; false where nobody says so.

    Setting the clock by hand ends it (adjtimex(2)).
    """
    asked = ctypes.create_string_buffer(_STRUCTURE_BYTES)  # modes = 0: change nothing
    try:
        state = int(_library().adjtimex(asked))
    except AttributeError:  # not Linux
        return False
    return 0 <= state < _UNSYNCHRONISED


def read_boot() -> str:
    """The identity of the machine's present run; empty where the kernel does not tell."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


@cache
def _library() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None)


THIS_MACHINE = Machine(read_clocks, read_boot, is_synchronised)
"""The machine that this process runs on."""
