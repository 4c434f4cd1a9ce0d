"""Noised sums over the sites' held-out windows for one component, which a gate compares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class NoisedCounts:
    """A federated evaluation of one component on the sites' held-out windows.

    ``correct`` and ``total`` are sums over sites, each with noise of standard deviation ``noise``
    (0 where the plan adds none; for n sites that each add theirs, sqrt(n) times that of one).
    ``digest`` is the component that was evaluated, and ``details`` what the kind of its task has
    besides (``models.kinds.details``), or none. ``detailed`` are correct, total and noise of those
    sites that gave details; None: of all.

    Raises:
        TypeError: a value that is no number.
    """

    digest: str
    correct: float
    total: float
    noise: float
    details: tuple[float, ...] = ()
    detailed: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        alone = (self.correct, self.total, self.noise)
        for value in (*alone, *self.details, *(() if self.detailed is None else self.detailed)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{value!r} is no number")
        if self.detailed is not None and len(self.detailed) != len(alone):
            raise TypeError(f"detailed={self.detailed!r} is not of three numbers")

    @property
    def beside_details(self) -> "NoisedCounts":
        """Those of the sites that gave details, which alone may be compared with these."""
        if self.detailed is None:
            return self
        correct, total, noise = self.detailed
        return replace(self, correct=correct, total=total, noise=noise, detailed=None)

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
