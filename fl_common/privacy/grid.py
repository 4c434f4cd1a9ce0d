"""The Gaussian mechanism on a grid: every released number is a whole multiple of a public step.

The last bits of a float32 sum with float32 noise reveal which entries are only noise, since not
every float32 is a possible product of noise and scale (Mironov 2012, "On significance of the least
significant bits for differential privacy"). Here the sum is rounded to a whole number k of steps,
the noise Z to a whole number of steps, and whole numbers are added, exactly, in float64. Because k
is whole, ``k + round(Z) = round(k + Z)``: what is released is a function of ``k + Z`` alone, the
output of the Gaussian mechanism with real numbers, and so has its epsilon (post-processing: Dwork
and Roth 2014, proposition 2.1). The rounding of k and of what was summed counts as part of the sum:
a share ``LEEWAY`` of the clip norm is kept for it.
"""

import math
from dataclasses import dataclass

import numpy as np

from fl_common.vocabulary import Doubles, Floats

LEEWAY = 2.0**-8
"""Share of the clip norm that arithmetic may add to a contribution.

It covers norms in float32, and the rounding of a float32 sum of up to 200 contributions (at most
their number squared times 2^-24). What the grid adds is 2^-18 of the clip norm.
"""

_STEPS = 2.0**18
"""A clip norm in steps, over the square root of the size."""


@dataclass(frozen=True)
class GaussianGrid:
    """Noise of ``noise_multiplier * clip_norm`` for a sum of ``size`` numbers.

    One unit moves the sum by at most ``clip_norm`` in L2 norm where its part was clipped to
    ``bound``.
    """

    clip_norm: float
    noise_multiplier: float
    size: int

    @property
    def bound(self) -> float:
        """The norm to clip to: the clip norm, less what arithmetic may add to it."""
        return self.clip_norm * (1 - LEEWAY)

    @property
    def step(self) -> float:
        """A power of two. Two sums that are rounded to it move apart by ``step * sqrt(size)``."""
        return 2.0 ** math.floor(math.log2(self.clip_norm / _STEPS / math.sqrt(self.size)))

    @property
    def noise_steps(self) -> float:
        """The noise's standard deviation, in steps."""
        return self.noise_multiplier * self.clip_norm / self.step

    def noised(self, sums: Doubles | Floats, normals: Doubles | Floats) -> Doubles:
        """``sums`` with noise made of ``normals`` (standard normal, same shape), on the grid."""
        whole = np.rint(np.divide(sums, self.step, dtype=np.float64))
        whole += np.rint(np.multiply(normals, self.noise_steps, dtype=np.float64))
        whole *= self.step
        return np.asarray(whole)
