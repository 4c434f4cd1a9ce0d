"""Whom a server waits for: so many of its sites, and a grace for the others.

One slow or silent site would hold up every round until its deadline. With a quorum a round goes on
once enough sites have sent something of use and the grace is over. It needs enough of them for a
site's update to be compared with others (``outliers``), and more than half of those that can still
answer: else the fastest few would decide.
"""

import math
from dataclasses import dataclass

from fl_common.configuration.rules import at_least, inside, require, whole
from fl_server.rounds.outliers import FEWEST


@dataclass(frozen=True)
class Quorum:
    """The ``share`` of sites that is waited for, and the seconds that the others have then.

    ``minimum`` is the least number of useful answers, where as many can come.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    share: float
    grace_s: float
    minimum: int = 1

    def __post_init__(self) -> None:
        require("strategy.quorum", self.share, inside("(0.5, 1]"))
        require("strategy.grace_s", self.grace_s, at_least(0))
        require("strategy.minimum_sites", self.minimum, whole(1))

    def of(self, sites: int) -> int:
        """How many of so many sites are waited for."""
        wanted = max(math.ceil(self.share * sites - 1e-9), self.minimum, FEWEST)
        return min(wanted, sites)


EVERYBODY = Quorum(1.0, 0.0)
