"""The three ways side by side, and the answer in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulate.report.wording import counted, percent_text, points_text

LOCAL, CENTRALISED = "local-only", "centralised"
_CLEAR = 2.0
"""Standard errors over sites from which on a difference is not chance."""


@dataclass(frozen=True)
class Way:
    """One way to learn from the data: its accuracy at each site, and its price.

    ``epsilon`` is the highest over sites, by the ledger; None without DP. ``gradients`` counts how
    often the gradient of a window was taken, in all.
    """

    name: str
    accuracies: Sequence[float]
    epsilon: float | None
    gradients: int

    @property
    def mean(self) -> float:
        """The mean accuracy over sites."""
        return float(np.mean(self.accuracies))

    @property
    def worst_tenth(self) -> float:
        """The mean over the tenth of the sites where it is lowest, one site at least."""
        return float(np.mean(sorted(self.accuracies)[: worst_count(len(self.accuracies))]))


@dataclass(frozen=True)
class Comparison:
    """The ways on the same sites and unseen windows, in the order local-only to centralised.

    ``sites`` names those compared, ``left_out`` counts those without unseen windows, and
    ``stopped`` those whose training alone stopped before its last round.
    """

    task: str
    net: str
    rounds: int
    passes: int
    seed: int | None
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
    def gain(self) -> float:
        """How much higher the mean accuracy is with federating than alone."""
        return self.federated.mean - self.local.mean

    @property
    def worst_gain(self) -> float:
        """The same for the worst tenth of the sites, each way's own."""
        return self.federated.worst_tenth - self.local.worst_tenth

    @property
    def better_off(self) -> int:
        """Sites for which the federated model is better than their own."""
        pairs = zip(self.local.accuracies, self.federated.accuracies, strict=True)
        return sum(together > alone for alone, together in pairs)

    @property
    def standard_error(self) -> float:
        """That of ``gain`` over sites."""
        gains = np.subtract(self.federated.accuracies, self.local.accuracies)
        return float(np.std(gains, ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else math.inf

    @property
    def is_worth_it(self) -> bool | None:
        """Whether federating was better in the mean over sites; None where chance may decide."""
        if abs(self.gain) <= _CLEAR * self.standard_error:
            return None
        return self.gain > 0

    @property
    def answer(self) -> str:
        """Whether federating was worth it, in words."""
        yes = {True: "Yes", False: "No", None: "Not clear"}[self.is_worth_it]
        count = len(self.sites)
        alone, together = percent_text(self.local.mean), percent_text(self.federated.mean)
        worst = worst_count(count)
        return (
            f"Was federating worth it? {yes}: a site's model is right for {together} of its windows"
            f" with federating and {alone} without ({100 * self.gain:+.1f} ±"
            f" {points_text(self.standard_error, sign=False)}), for the worst tenth"
            f" ({counted(worst, 'site')}) {percent_text(self.federated.worst_tenth)} and"
            f" {percent_text(self.local.worst_tenth)} ({points_text(self.worst_gain)});"
            f" {self.better_off:,} of {counted(count, 'site')} are better off. All windows in one"
            f" place would give {percent_text(self.centralised.mean)}."
        )


def worst_count(sites: int) -> int:
    """A tenth of so many sites, one at least."""
    return max(1, sites // 10)
