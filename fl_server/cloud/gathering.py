"""Before a round: wait for the sites to connect, but not for ever for the last of them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fl_common.errors import InvalidConfiguration
from fl_server.rounds.quorum import Quorum
from fl_server.rounds.roster import Member
from fl_server.rounds.sampling import Sampling

_POLL_S = 0.2
_logger = logging.getLogger(__name__)


@dataclass
class Gathering:
    """Waits for ``sites`` sites, or for the ``quorum`` of them and its grace.

    While the quorum stays connected, the grace is given once, not before each round.
    """

    sites: int
    quorum: Quorum
    sampling: Sampling
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    _quorate_since: float | None = None
    least: int = field(init=False)
    """With fewer no round begins."""

    def __post_init__(self) -> None:
        least = self.quorum.of(self.sites)
        self.least = next(filter(self._can_sample, range(least, self.sites)), self.sites)

    def __call__(self, connected: Callable[[], Sequence[Member]]) -> Sequence[Member]:
        """The sites that are ``connected`` as soon as a round may begin."""
        while len(members := connected()) < self.sites:
            if len(members) < self.least:
                self._quorate_since = None
            elif self._quorate_since is None:
                self._quorate_since = self.clock()
            elif self.clock() - self._quorate_since >= self.quorum.grace_s:
                _logger.info("the round begins with %d of %d sites", len(members), self.sites)
                return members
            self.wait(_POLL_S)
        self._quorate_since = None
        return members

    def _can_sample(self, sites: int) -> bool:
        try:
            self.sampling.choose(range(sites), 1, 0)
        except InvalidConfiguration:
            return False
        return True
