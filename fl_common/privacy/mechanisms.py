"""Mechanisms: what is clipped and noised under a privacy plan, as values.

A value here always has noise and a bound. Its ``event`` is what the accountant composes, so the
mechanism that runs and the one that is charged can't differ.
"""

from dataclasses import dataclass
from typing import Literal

from fl_common.configuration.rules import (
    above,
    inside,
    number,
    one_of,
    require,
    require_fields,
    whole,
)
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import LARGEST_NOISE, SMALLEST_NOISE, Spend
from fl_common.privacy.grid import GaussianGrid

__all__ = ["AdaptiveClipping", "SampleMechanism", "UpdateMechanism"]

NoisePlace = Literal["server", "site"]

SMALLEST_CLIP_NORM, LARGEST_CLIP_NORM = 1e-6, 1e6
CLIP_NORM = inside(f"[{SMALLEST_CLIP_NORM}, {LARGEST_CLIP_NORM}]")
"""Norms for which the arithmetic of clipping and noise is proven: see ``grid``."""

NOISE_MULTIPLIER = number(
    f"must lie in [{SMALLEST_NOISE:g}, {LARGEST_NOISE:g}] (privacy=none trains without noise)",
    lambda multiplier: SMALLEST_NOISE <= multiplier <= LARGEST_NOISE,
)

_NOISED = {"clip_norm": CLIP_NORM, "noise_multiplier": NOISE_MULTIPLIER}
_SAMPLED = {
    **_NOISED,
    "sampling_rate": inside("(0, 1]"),
    "steps": whole(1, 100_000),
    "expected_batch": inside("(0, 1e7]"),
}
_WHOLE = {
    **_NOISED,
    "noise": one_of(("server", "site")),
    "participation": inside("(0, 1]"),
    "population": whole(1, 10**9),
}


@dataclass(frozen=True)
class SampleMechanism:
    """DP-SGD on the site (Abadi et al. 2016): ``steps`` noised steps in one round.

    Each step takes each window with probability ``sampling_rate``, clips its gradient to an L2 norm
    of ``clip_norm`` and adds noise of ``noise_multiplier * clip_norm`` to the sum. The sum is then
    divided by ``expected_batch``, in windows (Opacus' ``expected_batch_size``): the same number on
    every site, because a site's own would show in the size of the noise.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    expected_batch: float

    def __post_init__(self) -> None:
        require_fields("privacy", self, **_SAMPLED)

    @property
    def event(self) -> Spend:
        """The accountant's event of one round."""
        return Spend(self.noise_multiplier, self.sampling_rate, self.steps)

    def grid(self, size: int) -> GaussianGrid:
        """The noise of one step on ``size`` parameters; gradients are clipped to its ``bound``."""
        return GaussianGrid(self.clip_norm, self.noise_multiplier, size)


@dataclass(frozen=True)
class AdaptiveClipping:
    """The clip norm of the next round follows a quantile of this round's norms.

    Each site sends one bit: whether its update's norm was within the clip norm. ``bit_noise`` is
    the standard deviation of the noise on the sum of these bits. The clip norm is multiplied by
    ``exp(-learning_rate * (share of such bits - target_quantile))``.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    target_quantile: float
    learning_rate: float
    bit_noise: float

    def __post_init__(self) -> None:
        require_fields(
            "privacy.adaptive_clipping",
            self,
            target_quantile=inside("(0, 1)"),
            learning_rate=above(0),
            bit_noise=above(0),
        )


@dataclass(frozen=True)
class UpdateMechanism:
    """A site's whole update is clipped to an L2 norm of ``clip_norm``, and noised.

    ``noise`` says who adds it: the ``server``, once on the sum of a round's updates (McMahan,
    Ramage, Talwar and Zhang 2018), or each ``site`` on its own update before it leaves. Each of
    ``population`` sites takes part in a round with probability ``participation`` (Poisson
    sampling).

    Raises:
        InvalidConfiguration: a value outside its range, or adaptive clipping that can't be paid.
    """

    clip_norm: float
    noise_multiplier: float
    noise: NoisePlace
    participation: float
    population: int
    adaptive_clipping: AdaptiveClipping | None

    def __post_init__(self) -> None:
        require_fields("privacy", self, **_WHOLE)
        if self.adaptive_clipping is not None:
            self._check_affordable(self.adaptive_clipping)

    @property
    def expected_sites(self) -> float:
        """Sites in a round on average: the divisor of a sum, as the real number is private."""
        return self.participation * self.population

    @property
    def update_noise_multiplier(self) -> float:
        """Noise on the sum of updates over the clip norm, so that updates and bits cost the plan's.

        Andrew et al. 2021, theorem 1: ``(z^-2 - (2 sigma_b)^-2)^(-1/2)``.
        """
        if self.adaptive_clipping is None:
            return self.noise_multiplier
        bits = (2 * self.adaptive_clipping.bit_noise) ** -2
        return float((self.noise_multiplier**-2 - bits) ** -0.5)

    @property
    def event(self) -> Spend:
        """The accountant's event of one round, for every site of the population or for one site.

        With the server's noise: the sampled Gaussian mechanism, in each round, whether the site was
        drawn or not. With the sites' noise: the Gaussian mechanism, for a site that takes part.
        """
        rate = self.participation if self.noise == "server" else 1.0
        return Spend(self.noise_multiplier, rate, 1)

    def _check_affordable(self, adaptive: AdaptiveClipping) -> None:
        if self.noise == "site":
            raise InvalidConfiguration(
                "privacy.adaptive_clipping with privacy.noise=site",
                "would send each site's bit without noise",
                "Set privacy.adaptive_clipping=null, or privacy.noise=server",
            )
        affordable = number(
            f"must be above half the noise multiplier ({self.noise_multiplier:.4g}), or the bits"
            " alone cost more than the plan",
            lambda bit_noise: 2 * bit_noise > self.noise_multiplier,
        )
        require("privacy.adaptive_clipping.bit_noise", adaptive.bit_noise, affordable)
