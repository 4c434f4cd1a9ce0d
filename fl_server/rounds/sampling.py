"""Sampling of the sites that take part in a round."""

import hashlib
import math
from collections.abc import Sized
from dataclasses import dataclass

import numpy as np

from fl_common.configuration.rules import inside, optional, require, whole
from fl_common.errors import InvalidConfiguration


def sites_of(fraction: float, available: int) -> int:
    """How many sites a ``fraction`` of those ``available`` is.

    Raises:
        InvalidConfiguration: it is none.
    """
    require("strategy.fraction", fraction, inside("(0, 1]"))
    return max(1, math.floor(fraction * available + 1e-9))


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

        With a seed they depend only on the number of sites, the seed and the round, so that a
        resumed run makes the same choice. Without one the operating system's generator is used.
        Time and memory grow with the number of chosen sites, not of all sites (Floyd's algorithm:
        Bentley and Floyd 1987), and only the length of ``available`` is read.

        Raises:
            InvalidConfiguration: fewer sites than to be chosen, or than the minimum.
        """
        count = self._count(len(available))
        generator = np.random.default_rng(None if seed is None else entropy(seed, "sites", round_))
        chosen = generator.choice(len(available), count, replace=False, shuffle=False)
        return sorted(chosen.tolist())

    def _count(self, available: int) -> int:
        count = self.clients_per_round
        if count is None:
            count = sites_of(self.fraction, available)
        if count > available:
            raise InvalidConfiguration(
                f"clients_per_round={count}",
                f"is more than there are sites ({available})",
                "Lower clients_per_round, or add sites",
            )
        if count < self.minimum:
            raise InvalidConfiguration(
                f"strategy.minimum_sites={self.minimum}",
                f"is more than a round samples ({count} of {available} sites)",
                "Lower strategy.minimum_sites, or raise clients_per_round or strategy.fraction",
            )
        return count


@dataclass(frozen=True)
class PoissonSampling:
    """Each site takes part independently with probability ``participation``, anew each round.

    This is the sampling that the accounting of a site-level plan assumes: it may choose no site at
    all. A round with sampled sites needs ``minimum`` updates to count, or one from each sampled
    site if they are fewer.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    participation: float
    minimum: int

    def __post_init__(self) -> None:
        require("privacy.participation", self.participation, inside("(0, 1]"))
        require("strategy.minimum_sites", self.minimum, whole(1))

    def choose(self, available: Sized, round_: int, seed: int | None) -> list[int]:
        """Positions in ``available`` of the sites of ``round_``, ascending; possibly none.

        Deterministic for a seed and round; time and memory grow with the chosen sites only, as in
        ``ClientSampling``: their number is binomial, and all sets of that size are equally likely.
        """
        generator = np.random.default_rng(None if seed is None else entropy(seed, "sites", round_))
        count = generator.binomial(len(available), self.participation)
        chosen = generator.choice(len(available), count, replace=False, shuffle=False)
        return sorted(chosen.tolist())


Sampling = ClientSampling | PoissonSampling


def entropy(seed: int, use: str, round_: int) -> int:
    """Entropy for a generator: any seed, also negative, separated by use and round."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{use}/{round_}".encode()).digest(), "little")
