"""Which sites take part in a round."""

import hashlib
import math
from collections.abc import Sized
from dataclasses import dataclass

import numpy as np

from fl_common.errors import InvalidConfiguration
from fl_server.checks import check_count, check_number


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
        if self.clients_per_round is not None:
            check_count("clients_per_round", self.clients_per_round)
        check_number("strategy.fraction", self.fraction, lambda f: 0 < f <= 1, "must lie in (0, 1]")
        check_count("strategy.minimum_sites", self.minimum)

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
        generator = np.random.default_rng(None if seed is None else _entropy(seed, round_))
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


def _entropy(seed: int, round_: int) -> int:
    """Takes any seed, negative ones too, and keeps apart from other uses of the same seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/sites/{round_}".encode()).digest(), "little")
