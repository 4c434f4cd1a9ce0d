"""Which sites take part in a round."""

import hashlib
import math
from collections.abc import Sized
from dataclasses import dataclass

import numpy as np

from fl_common.configuration import inside, optional, require, whole
from fl_common.errors import InvalidConfiguration


@dataclass(frozen=True)
class ClientSampling:
    """A uniform sample of the sites, without replacement, drawn anew each round.

    ``clients_per_round`` sites where given, else the ``fraction`` of all, rounded down, at least
    one. ``minimum`` is the least number of updates that a round needs to count.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    clients_per_round: int | None
    fraction: float
    minimum: int

    def __post_init__(self) -> None:
        require("clients_per_round", self.clients_per_round, optional(whole(1)))
        require("strategy.fraction", self.fraction, inside("(0, 1]"))
        require("strategy.minimum_sites", self.minimum, whole(1))

    def choose(self, available: Sized, round_: int, seed: int | None) -> list[int]:
        """Positions in ``available`` of the sites of ``round_``, ascending.

        A function of the number of sites, the seed and the round alone, so that a resumed run
        chooses as the first one would have. Without a seed the operating system draws. Costs time
        and memory for the sites that are chosen, not for those there are (Floyd's algorithm:
        Bentley and Floyd 1987), and reads only the length of ``available``.

        Raises:
            InvalidConfiguration: fewer sites than are to be chosen, or fewer than the minimum.
        """
        count = self._count(len(available))
        generator = np.random.default_rng(None if seed is None else entropy(seed, "sites", round_))
        chosen = generator.choice(len(available), count, replace=False, shuffle=False)
        return sorted(chosen.tolist())

    def _count(self, available: int) -> int:
        count = self.clients_per_round
        if count is None:
            count = max(1, math.floor(self.fraction * available + 1e-9))
        if count > available:
            raise InvalidConfiguration(
                f"clients_per_round={count}",
                f"is more than there are sites ({available})",
                "Lower clients_per_round, or add sites",
            )
        if count < self.minimum:
            raise InvalidConfiguration(
                f"strategy.minimum_sites={self.minimum}",
                f"is more than a round asks ({count} of {available} sites)",
                "Lower strategy.minimum_sites, or raise clients_per_round or strategy.fraction",
            )
        return count


@dataclass(frozen=True)
class PoissonSampling:
    """Each site by itself takes part with probability ``participation``, drawn anew each round.

    This is the sampling that the accounting of a site-level plan assumes: it may choose no site at
    all. A round in which sites were asked needs ``minimum`` updates to count, or one of each site
    asked where they are fewer.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    participation: float
    minimum: int

    def __post_init__(self) -> None:
        require("privacy.participation", self.participation, inside("(0, 1]"))
        require("strategy.minimum_sites", self.minimum, whole(1))

    def choose(self, available: Sized, round_: int, seed: int | None) -> list[int]:
        """Positions in ``available`` of the sites of ``round_``, ascending; maybe none.

        Repeats for a seed and round, and costs time and memory for the chosen sites alone, as
        ``ClientSampling`` does: their number is binomial, and any set of that size is as likely.
        """
        generator = np.random.default_rng(None if seed is None else entropy(seed, "sites", round_))
        count = generator.binomial(len(available), self.participation)
        chosen = generator.choice(len(available), count, replace=False, shuffle=False)
        return sorted(chosen.tolist())


Sampling = ClientSampling | PoissonSampling


def entropy(seed: int, use: str, round_: int) -> int:
    """Takes any seed, negative ones too, and keeps the uses of one seed apart."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{use}/{round_}".encode()).digest(), "little")
