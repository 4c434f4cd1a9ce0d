"""From scores to guesses, by a rule that is fixed in advance.

The rule is a list of shares of the canaries. For each share, half as many of the highest scores are
guessed "included" and as many of the lowest "excluded"; the rest abstain. Choosing the best of
several shares afterwards is a choice in hindsight, so each bound is computed at the error divided
by the number of shares (union bound): the largest of them then holds at the requested error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import inside, require
from fl_common.errors import InvalidConfiguration
from simulate.audit.bound import Guesses, epsilon_bound


@dataclass(frozen=True)
class GuessRule:
    """The ``shares`` of canaries to guess, and the ``confidence`` of the best bound of all of them.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    shares: tuple[float, ...]
    confidence: float

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise InvalidConfiguration(
                f"audit.guess_shares={list(self.shares)}",
                "must be one or more shares in (0, 1]",
                "Give such as [1.0, 0.5, 0.2]",
            )
        require("audit.confidence", self.confidence, inside("(0, 1)"), "Give such as 0.95")

    @property
    def error(self) -> float:
        """The error for each share, out of the error that the confidence allows."""
        return (1 - self.confidence) / len(self.shares)

    def ceiling(self, canaries: int, delta: float) -> float:
        """The bound if every guess were right: the maximum for this many canaries."""
        made = max(_made(share, canaries) for share in self.shares)
        return epsilon_bound(Guesses(canaries, made, made), delta, self.error)


@dataclass(frozen=True)
class AuditFinding:
    """The result for one share."""

    share: float
    guesses: Guesses
    bound: float


def findings(
    scores_M: NDArray[np.float64], coins_M: NDArray[np.bool_], rule: GuessRule, delta: float
) -> list[AuditFinding]:
    """Guesses and bound for each share of ``rule``; higher scores look more included.

    A score that is not a number counts against the attacker: it is ranked last.
    """
    ranked_M = np.argsort(-np.nan_to_num(scores_M, nan=-np.inf), kind="stable")
    found = []
    for share in rule.shares:
        guesses = _guess(ranked_M, coins_M, share)
        found.append(AuditFinding(share, guesses, epsilon_bound(guesses, delta, rule.error)))
    return found


def best(found: Sequence[AuditFinding]) -> AuditFinding:
    """The finding with the largest bound; it holds at the rule's confidence."""
    return max(found, key=lambda finding: finding.bound)


def _guess(ranked_M: NDArray[np.intp], coins_M: NDArray[np.bool_], share: float) -> Guesses:
    """The top and the bottom of the ranking against the coins."""
    canaries = len(ranked_M)
    made = _made(share, canaries)
    top, bottom = made - made // 2, made // 2
    right = coins_M[ranked_M[:top]].sum() + (~coins_M[ranked_M[canaries - bottom :]]).sum()
    return Guesses(canaries, made, int(right))


def _made(share: float, canaries: int) -> int:
    return max(1, round(share * canaries))
