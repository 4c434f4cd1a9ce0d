"""The privacy losses of one step of the Poisson-sampled Gaussian mechanism, on a grid.

The pair of distributions is that of ``rdp``: a mixture of Gaussians for a group of windows, against
one Gaussian. The real line is cut into cells. Each cell's mass is put on the losses of its two
ends, and from there on the two grid points around each, with the probabilities that keep the mass
under both distributions ("connect the dots": Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022).
The result dominates the step: spreading a ratio of likelihoods to the ends of an interval, with its
mean kept, raises every convex function of it, and so every divergence. What lies beyond the ends
counts as lost: an infinite loss. So does a number of drawn windows that is too rare to matter: the
mixture without it is below the mixture, so the other direction's divergences only rise.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fl_common.privacy.normal import normal_mass
from fl_common.privacy.rdp import log_ratio, shifts_of

Values = NDArray[np.float64]

_CELLS = 100
"""Cells in each unit of the noise."""
_MOST_CELLS = 20_000
_HIGHEST = 600.0
"""Losses above it count as lost."""
_NARROW = 1e-12
LOST = 1e-4
"""Part of delta for the tails beyond the cells, over all steps."""


@dataclass(frozen=True)
class Step:
    """A step of ``noise`` and ``rate`` for a group of ``windows``, taken at most ``most`` times.

    ``most`` is a power of two, so that the same step more often has the same losses.
    """

    noise: float
    rate: float
    windows: int
    most: int

    def lost(self, delta: float) -> float:
        """What a step may lose of each kind: ``LOST * delta`` over all steps."""
        return LOST * delta / self.most

    def cells(self, delta: float) -> tuple[Values, Values, Values]:
        """Mass of each cell under the mixture and the single Gaussian, and log ratio at the edges.

        The tails that are left out have less than ``lost``, and so have the largest numbers of
        drawn windows.
        """
        noise, log_weights = shifts_of(self.noise, self.rate, self.windows)
        more_J = np.cumsum(np.exp(log_weights)[::-1])[::-1]
        log_weights = log_weights[more_J > self.lost(delta)]
        shifts = np.arange(len(log_weights)) / noise
        far = math.sqrt(-2 * math.log(self.lost(delta)))
        count = min(_MOST_CELLS, math.ceil(_CELLS * (2 * far + shifts[-1])))
        edges = np.linspace(-far, far + shifts[-1], count + 1)
        mixed_N = np.zeros(count)
        for shift, weight in zip(shifts, np.exp(log_weights), strict=True):
            mixed_N += weight * normal_mass(edges - shift)
        return mixed_N, normal_mass(edges), log_ratio(noise, log_weights, edges)


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of one step: indices on a grid of ``spacing``, and logs of their probabilities.

    ``lost`` is the probability that a step has no bound on its loss.
    """

    index_N: NDArray[np.int64]
    log_mass_N: Values
    lost: float

    @classmethod
    @lru_cache(maxsize=16)
    def both_ways(cls, step: Step, delta: float, spacing: float) -> tuple[Self, Self]:
        """The losses when the group is removed, and when it is added, on a grid of ``spacing``."""
        mixed_N, plain_N, ratio_E = step.cells(delta)
        lost = step.lost(delta)
        return (
            cls._of(mixed_N, plain_N, ratio_E, 2 * lost, spacing),
            cls._of(plain_N[::-1], mixed_N[::-1], -ratio_E[::-1], lost, spacing),
        )

    @classmethod
    def _of(
        cls,
        own_N: Values,
        other_N: Values,
        loss_E: Values,
        lost: float,
        spacing: float,
    ) -> Self:
        """From cells' masses, and the loss at their edges; ``lost`` is left out of the cells."""
        kept = max(1, int(np.searchsorted(loss_E, _HIGHEST)))
        loss_E, mass_E = loss_E[:kept], _on_edges(own_N, other_N, loss_E[:kept])
        below_E = np.floor(loss_E / spacing)
        upper_E = mass_E * np.expm1(below_E * spacing - loss_E) / np.expm1(-spacing)
        index_K, mass_K = np.r_[below_E, below_E + 1], np.r_[mass_E - upper_E, upper_E]
        return cls(
            index_N=index_K[mass_K > 0].astype(np.int64),
            log_mass_N=np.log(mass_K[mass_K > 0]),
            lost=lost + float(own_N[kept - 1 :].sum()),
        )

    def tilted(self, tilt: float) -> tuple[Values, float]:
        """The probabilities times e^(tilt index), scaled to a sum of 1, and the sum's logarithm."""
        log_mass_N = self.log_mass_N + tilt * self.index_N
        most = float(log_mass_N.max())
        mass_N = np.exp(log_mass_N - most)
        total = float(mass_N.sum())
        return mass_N / total, most + math.log(total)


def _on_edges(own_N: Values, other_N: Values, loss_E: Values) -> Values:
    """The mass of cells, put on their edges so that neither distribution's mass changes.

    A cell whose loss hardly changes goes to its upper edge.
    """
    cells = len(loss_E) - 1
    own_N, low_N, gap_N = own_N[:cells], loss_E[:-1], np.diff(loss_E)
    excess_N = own_N - other_N[:cells] * np.exp(low_N)
    wide = gap_N > _NARROW
    share_N = np.where(wide, excess_N / -np.expm1(-np.where(wide, gap_N, 1.0)), own_N)
    upper_N = np.clip(share_N, 0, own_N)
    mass_E = np.append(own_N - upper_N, 0.0)
    mass_E[1:] += upper_N
    return mass_E
