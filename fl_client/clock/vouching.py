"""Who vouches for the clock: NTP, or the operator by ``fl-client clock --trust``.

The operator's word is a file in the site's folder. It is for the clock as it is set at that moment,
in that run of the machine: when the clock is set again, or the machine restarted, it is void.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from fl_client.clock.guard import Instant
from fl_client.clock.machine import Machine
from fl_common.files.whole import write_whole

FILE = "clock.json"
"""In the site's folder."""
_NEAR_NS = 60 * 10**9


@dataclass(frozen=True)
class Vouching:
    """The word of NTP on ``machine``, and of the operator of the site in ``home``.

    Call it with an instant: whether either vouches for the clock as it is set then.
    """

    home: Path
    machine: Machine

    def __call__(self, now: Instant) -> bool:
        """Whether somebody vouches for the clock ``now``."""
        return self.machine.synchronised() or self.is_trusted(now)

    def trust(self, now: Instant) -> None:
        """Give the operator's word for the clock as it is set ``now``; durable on return."""
        word = {"boot": self.machine.boot(), "offset_ns": now.offset_ns}
        write_whole(self.home / FILE, json.dumps(word).encode())

    def is_trusted(self, now: Instant) -> bool:
        """Whether the operator gave a word that holds for the clock ``now``."""
        try:
            word = json.loads((self.home / FILE).read_text())
            distance_ns, boot = abs(now.offset_ns - int(word["offset_ns"])), str(word["boot"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return boot == self.machine.boot() and distance_ns <= _NEAR_NS
