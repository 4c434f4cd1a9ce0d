"""Noised sums over the sites' held-out windows for one component, which a gate compares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NoisedCounts:
    """A federated evaluation of one component on the sites' held-out windows.

    ``correct`` and ``total`` are sums over sites, each with noise of standard deviation ``noise``
    (0 where the plan adds none; for n sites that each add theirs, sqrt(n) times that of one).
    ``digest`` is the component that was evaluated, and ``details`` what the kind of its task has
    besides (``models.kinds.details``), or none.
    """

    digest: str
    correct: float
    total: float
    noise: float
    details: tuple[float, ...] = ()

    @property
    def accuracy(self) -> float:
        """Mean score of windows, such as the share that is named right."""
        return self.correct / self.total

    @property
    def variance(self) -> float:
        """Variance of ``accuracy``, from the sample of windows and the noise in both counts.

        Of scores between 0 and 1 the sample's is this at most.
        """
        share = min(max(self.accuracy, 0.0), 1.0)
        return share * (1 - share) / self.total + (1 + share**2) * (self.noise / self.total) ** 2


def measures_text(metrics: Mapping[str, Any]) -> str:
    """The measures of a model that are known: ``accuracy 0.95, balanced accuracy 0.5``."""
    known = {
        name: value
        for name, value in metrics.items()
        if isinstance(value, float) and math.isfinite(value)
    }
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in known.items())
