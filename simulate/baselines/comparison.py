"""The three ways side by side, and the answer in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fl_common.vocabulary import Doubles
from models.kinds import Measure
from simulate.baselines.figures import Figures
from simulate.report.wording import counted

LOCAL, CENTRALISED = "local-only", "centralised"
_CLEAR = 2.0
"""Standard errors over sites from which on a difference is not chance."""


@dataclass(frozen=True)
class Way:
    """One way to learn from the data: its figure at each site, and its price.

    ``epsilon`` is the highest over sites, by the ledger; None without DP. ``gradients`` counts how
    often the gradient of a window was taken, in all.
    """

    name: str
    values: Sequence[float]
    epsilon: float | None
    gradients: int

    @property
    def mean(self) -> float:
        """The mean over sites."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Comparison:
    """The ways on the same sites and unseen windows, in the order local-only to centralised.

    ``measure`` decides, and ``noun`` is what it counts. ``sites`` names those compared,
    ``left_out`` counts those whose unseen windows tell nothing of it, and ``stopped`` those whose
    training alone stopped before its last round.
    """

    task: str
    net: str
    rounds: int
    passes: int
    seed: int | None
    measure: Measure
    noun: str
    judged_on: str
    privacy_unit: str
    delta: float | None
    sites: Sequence[str]
    left_out: int
    stopped: int
    local: Way
    federated: Way
    centralised: Way
    notes: Sequence[str] = ()

    @property
    def ways(self) -> tuple[Way, Way, Way]:
        """All three."""
        return self.local, self.federated, self.centralised

    @property
    def figures(self) -> Figures:
        """How figures are said."""
        return Figures(self.measure, self.noun)

    def from_worst(self, way: Way) -> list[float]:
        """The figures of ``way``, from the worst to the best."""
        return sorted(way.values, reverse=not self.measure.higher_is_better)

    def worst_tenth(self, way: Way) -> float:
        """The mean over the tenth of the sites where ``way`` is worst, one site at least."""
        return float(np.mean(self.from_worst(way)[: worst_count(len(way.values))]))

    @property
    def change(self) -> float:
        """The mean figure with federating, less that alone."""
        return self.federated.mean - self.local.mean

    @property
    def worst_change(self) -> float:
        """The same for the worst tenth of the sites, each way's own."""
        return self.worst_tenth(self.federated) - self.worst_tenth(self.local)

    @property
    def better_off(self) -> int:
        """Sites for which the federated model is better than their own."""
        return int((np.sign(self._changes) == self._better).sum())

    @property
    def standard_error(self) -> float:
        """That of ``change`` over sites."""
        changes = self._changes
        many = len(changes) > 1
        return float(np.std(changes, ddof=1) / math.sqrt(len(changes))) if many else math.inf

    @property
    def is_worth_it(self) -> bool | None:
        """Whether federating was better in the mean over sites; None where chance may decide."""
        if not abs(self.change) > _CLEAR * self.standard_error:
            return None
        return bool(np.sign(self.change) == self._better)

    @property
    def answer(self) -> str:
        """Whether federating was worth it, in words."""
        yes = {True: "Yes", False: "No", None: "Not clear"}[self.is_worth_it]
        count, said = len(self.sites), self.figures
        worst = counted(worst_count(count), "site")
        together, alone = self.worst_tenth(self.federated), self.worst_tenth(self.local)
        return (
            f"Was federating worth it? {yes}: {said.between(self.federated.mean, self.local.mean)}"
            f" ({self._change_text}), for the worst tenth ({worst}) {said.value(together)} and"
            f" {said.value(alone)} ({said.change(self.worst_change)}); {self.better_off:,} of"
            f" {counted(count, 'site')} are better off. All windows in one place would give"
            f" {said.value(self.centralised.mean)}."
        )

    @property
    def _change_text(self) -> str:
        """``+11.0 ± 0.9 points``: the unit once."""
        change, _, unit = self.figures.change(self.change).partition(" ")
        error, _, _ = self.figures.change(self.standard_error, sign=False).partition(" ")
        return f"{change} ± {error} {unit}".rstrip()

    @property
    def _better(self) -> int:
        """The sign of a change for the better."""
        return 1 if self.measure.higher_is_better else -1

    @property
    def _changes(self) -> Doubles:
        return np.subtract(self.federated.values, self.local.values)


def worst_count(sites: int) -> int:
    """A tenth of so many sites, one at least."""
    return max(1, sites // 10)
