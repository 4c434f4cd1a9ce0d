"""The site-level plan: what is protected is a whole site, that it took part and all of its data.

Each site's update is clipped as a whole, and Gaussian noise is added once for a round by the server
(central DP: McMahan, Ramage, Talwar and Zhang 2018, "Learning differentially private recurrent
language models") or by each site before its update leaves (local DP). Two data sets are neighbours
when one has a site that the other lacks: its update counts as zero there. The clip norm may follow
a quantile of the updates' norms (Andrew, Thakkar, McMahan and Ramaswamy 2021, "Differentially
private learning with adaptive clipping", algorithm 1).
"""

import math
from dataclasses import dataclass
from typing import Literal

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import ACCOUNTANTS, AccountantName, Spend, Weights, check_epsilon

NoisePlace = Literal["server", "site"]

WHOLE_SITE = "(site)"
"""The ledger's block for site-level spends: no block of data has this name."""

_PAPERS_SHARE = 20
"""The bits' noise, over the expected number of sites, that Andrew et al. 2021 recommend: 1/20."""


@dataclass(frozen=True)
class AdaptiveClipping:
    """The clip norm of the next round follows a quantile of this round's norms.

    Each site says in one bit whether its update's norm was within the clip norm. ``bit_noise`` is
    the standard deviation of the noise on the sum of these bits. The clip norm is multiplied by
    ``exp(-learning_rate * (share of such bits - target_quantile))``.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    target_quantile: float
    learning_rate: float
    bit_noise: float

    def __post_init__(self) -> None:
        rules = (
            ("target_quantile", 0 < self.target_quantile < 1, "must lie in (0, 1)"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "must be finite and above 0"),
            ("bit_noise", 0 < self.bit_noise < math.inf, "must be finite and above 0"),
        )
        for name, holds, rule in rules:
            if not holds:
                raise _invalid(f"adaptive_clipping.{name}", getattr(self, name), rule)


@dataclass(frozen=True)
class SitePrivacyPlan:
    """Site-level DP of one run; ``population`` is the number of sites, which is public.

    A site takes part in a round with probability ``participation``, drawn for each site and round
    by itself (Poisson sampling). ``clip_norm`` bounds the L2 norm of a site's whole update; it is
    the first round's where ``adaptive_clipping`` moves it.

    ``noise`` says who adds it, and so who is trusted. By the ``server``: one draw of standard
    deviation ``noise_multiplier * clip_norm`` on the sum of a round's updates, which protects
    against whoever sees the global models, but not against the server. By each ``site``: a draw of
    that size on its own update, which protects against the server, too; who takes part is then
    known, so that sampling amplifies nothing.

    Raises:
        InvalidConfiguration: a value outside its range, or adaptive clipping that can't be paid.
    """

    clip_norm: float
    noise_multiplier: float
    noise: NoisePlace
    participation: float
    population: int
    delta: float
    epsilon_limit: float
    accountant: AccountantName
    weights: Weights
    adaptive_clipping: AdaptiveClipping | None
    unit: Literal["site"] = "site"

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon_limit)
        check_population(self.delta, self.population)
        rules = (
            ("clip_norm", 0 < self.clip_norm < math.inf, "must be a finite number above 0"),
            (
                "noise_multiplier",
                0 < self.noise_multiplier < math.inf,
                "must be a finite number above 0 (use privacy=none to train without noise)",
            ),
            ("noise", self.noise in ("server", "site"), "must be server or site"),
            ("participation", 0 < self.participation <= 1, "must lie in (0, 1]"),
            ("accountant", self.accountant in ACCOUNTANTS, f"must be of {', '.join(ACCOUNTANTS)}"),
            (
                "weights",
                self.weights == "uniform",
                "must be uniform under DP: a weight would let a site exceed the clip norm",
            ),
        )
        for name, holds, rule in rules:
            if not holds:
                raise _invalid(name, getattr(self, name), rule)
        if self.adaptive_clipping is not None:
            _check_affordable(self.adaptive_clipping, self)

    @property
    def windows_per_unit(self) -> int:
        """1: a site is protected as a whole, by events of its own."""
        return 1

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
    def spend_per_round(self) -> Spend:
        """The accountant's event of one round, for every site of the population or for one site.

        With the server's noise: the sampled Gaussian mechanism, in each round, whether the site was
        drawn or not. With the sites' noise: the Gaussian mechanism, for a site that takes part.
        """
        rate = self.participation if self.noise == "server" else 1.0
        return Spend(self.noise_multiplier, rate, 1)


def check_population(delta: float, sites: int) -> None:
    """Raise InvalidConfiguration unless 0 < delta < 1/sites.

    A delta of 1/n allows to publish one whole site of n (Dwork and Roth 2014, section 2.3).
    """
    if sites < 1:
        raise InvalidConfiguration(
            f"privacy=site with {sites} sites", "needs at least one", "Add sites"
        )
    if not 0 < delta < 1 / sites:
        raise InvalidConfiguration(
            f"privacy.delta={delta}",
            f"must lie above 0 and below 1/n = {1 / sites:.3g} (n = {sites} sites)",
            f"Set privacy.delta below that, for example privacy.delta={min(1e-5, 0.1 / sites):.0e}",
        )


def usual_bit_noise(noise_multiplier: float, expected_sites: float) -> float:
    """Noise for the sum of bits where the plan leaves it open.

    A twentieth of the expected number of sites (Andrew et al. 2021, section 3.1), and never below
    the noise multiplier: then the updates' noise grows by at most 2 / sqrt(3), 15 %.
    """
    return max(expected_sites / _PAPERS_SHARE, noise_multiplier)


def _check_affordable(adaptive: AdaptiveClipping, plan: SitePrivacyPlan) -> None:
    if plan.noise == "site":
        raise InvalidConfiguration(
            "privacy.adaptive_clipping with privacy.noise=site",
            "would send each site's bit without noise",
            "Set privacy.adaptive_clipping=null, or privacy.noise=server",
        )
    if 2 * adaptive.bit_noise <= plan.noise_multiplier:
        raise _invalid(
            "adaptive_clipping.bit_noise",
            adaptive.bit_noise,
            f"must be above half the noise multiplier ({plan.noise_multiplier:.4g}), or the bits"
            " alone cost more than the plan",
        )


def _invalid(name: str, value: object, rule: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"privacy.{name}={value}", rule, f"Set privacy.{name} to such a value"
    )
