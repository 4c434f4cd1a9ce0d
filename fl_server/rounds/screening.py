"""What a round's updates must satisfy before they are folded: no site moves the mean by itself.

A weight is compared with those of the round's other sites, and so is a site's influence: its weight
times the L2 norm of its update. What is more than twice the upper quartile is cut down to the upper
quartile, not left out: it may be an honest site with unusual data. To compare, updates are held
back until the last one of the round is here, or until they take ``HELD_BYTES``; from then on each
is compared with all that came before it. So the memory of a round does not grow with its sites, and
the result of a round that fits does not depend on the order of arrival.

Not applied where the server adds the noise: a cut that depends on other sites' updates would change
what one site can move, and ``PrivateSum`` has a bound of its own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fl_common import params
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import BadUpdate, check_update
from fl_server.rounds.outliers import FEWEST, cut, upper_quartile

HELD_BYTES = 64 * 2**20


@dataclass
class Screen:
    """The checks of one round's updates of ``parameters``; ``notes`` say what was cut, and why.

    Without ``cuts`` any finite update counts as it is.
    """

    plan: RunPlan
    parameters: Parameters
    cuts: bool
    longest: float
    """The norm above which an update does not count: see ``plan_bound``."""
    notes: list[str] = field(default_factory=list)
    _held: list[tuple[LocalUpdate, float]] = field(default_factory=list)
    _claims: list[tuple[float, float]] = field(default_factory=list)
    """The weight and the norm of each update so far."""
    _is_full: bool = False

    def __post_init__(self) -> None:
        self._shapes = {name: array.shape for name, array in self.parameters.items()}
        self._bytes = 4 * sum(array.size for array in self.parameters.values())

    def admit(self, update: LocalUpdate) -> Iterator[LocalUpdate]:
        """The updates that may be folded now that ``update`` is here: none, it, or all held ones.

        Raises:
            BadUpdate: it can't be used.
        """
        length = _norm(update.delta)
        self._check(update, length)
        self._claims.append((update.weight, length))
        self._held.append((update, length))
        count = len(self._held)
        self._is_full |= count * self._bytes >= HELD_BYTES and count >= FEWEST
        return self.rest() if self._is_full or not self.cuts else iter(())

    def rest(self) -> Iterator[LocalUpdate]:
        """Those held back, in order of arrival, cut to the limits."""
        held, self._held = self._held, []
        if not self.cuts:
            return (update for update, _ in held)
        heaviest = upper_quartile(weight for weight, _ in self._claims)
        largest = upper_quartile(cut(weight, heaviest) * norm for weight, norm in self._claims)
        return (self._bounded(update, length, heaviest, largest) for update, length in held)

    def _check(self, update: LocalUpdate, length: float) -> None:
        if self.plan.privacy.weights == "uniform" and update.weight != 1.0:
            raise BadUpdate(update.site, f"its weight is {update.weight}, not 1 as the plan says")
        if length > self.longest:
            raise BadUpdate(
                update.site,
                f"its norm {length:.4g} is above {self.longest:.4g}, the most that the plan allows"
                " (if it is so on many sites, lower training.learning_rate)",
            )
        check_update(update, self._shapes, length)

    def _bounded(
        self, update: LocalUpdate, length: float, heaviest: float, largest: float
    ) -> LocalUpdate:
        weight = cut(update.weight, heaviest)
        if weight < update.weight:
            self._note(update, f"its weight {update.weight:.4g} counts as {weight:.4g}")
            update = replace(update, weight=weight)
        influence = weight * length
        if (bounded := cut(influence, largest)) < influence:
            norm = bounded / weight
            self._note(update, f"its norm {length:.4g} is cut to {norm:.4g}")
            update = replace(update, delta=params.clip(update.delta, norm))
        return update

    def _note(self, update: LocalUpdate, what: str) -> None:
        self.notes.append(
            f"update of site {update.site}: {what}, as it is more than twice the upper quartile of"
            " the round's sites"
        )


def _norm(delta: Parameters) -> float:
    """``params.norm`` in half the time; its last bits may differ from one machine to another."""
    total = 0.0
    for array in delta.values():
        row_E = array.reshape(-1)
        for block in params.blocks(row_E.size):
            part_E = row_E[block].astype(np.float64)
            total += float(np.dot(part_E, part_E))
    return math.sqrt(total)
