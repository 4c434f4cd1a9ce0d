"""The site-level plan: it protects a whole site, its taking part and all of its data.

Each site's update is clipped as a whole, and Gaussian noise is added once for a round by the server
(central DP: McMahan, Ramage, Talwar and Zhang 2018, "Learning differentially private recurrent
language models") or by each site before its update leaves (local DP). Two data sets are neighbours
when one has a site that the other lacks: its update counts as zero there. The clip norm may follow
a quantile of the updates' norms (Andrew, Thakkar, McMahan and Ramaswamy 2021, "Differentially
private learning with adaptive clipping", algorithm 1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Self

from fl_common.configuration.rules import Config, Rule, inside, require
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    AccountantName,
    Weights,
    calibrate_noise,
    check_epsilon,
)
from fl_common.privacy.mechanisms import AdaptiveClipping, NoisePlace, UpdateMechanism
from fl_common.privacy.unit import Guarantee, PlanningFacts, PrivacyPlan

_PAPERS_SHARE = 20
"""The bits' noise, over the expected number of sites, that Andrew et al. 2021 recommend: 1/20."""

_ONE_WEIGHT = Rule(
    "must be uniform under DP: a weight would let a site exceed the clip norm",
    lambda weights: weights == "uniform",
)


@dataclass(frozen=True)
class SitePrivacyPlan(PrivacyPlan):
    """Site-level DP of one run; ``population`` is the number of sites, which is public.

    A site takes part in a round with probability ``participation``, drawn independently for each
    site and round (Poisson sampling). ``clip_norm`` bounds the L2 norm of a site's whole update;
    with ``adaptive_clipping`` it is the clip norm of the first round.

    ``noise`` says who adds the noise, and so who is trusted. ``server``: one draw of standard
    deviation ``noise_multiplier * clip_norm`` on the sum of a round's updates. It protects against
    everyone who sees the global models, but not against the server. ``site``: a draw of that size
    by each site on its own update. It protects against the server, too; but who takes part is then
    known, so there is no amplification by sampling.

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
        check_population(self.delta, self.population)
        require("privacy.weights", self.weights, _ONE_WEIGHT)
        _ = self.guarantee, self.update_mechanism  # they check their own values

    @classmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        """See ``PrivacyPlan``: noise for every round, as a site may be drawn each time."""
        check_epsilon(node["epsilon"])
        check_population(node["delta"], facts.sites)
        participation, adaptive = node["participation"], node["adaptive_clipping"]
        require("privacy.participation", participation, inside("(0, 1]"))
        noise = node["noise_multiplier"]
        if noise is None:
            rate = participation if node["noise"] == "server" else 1.0
            limits = node["epsilon"], node["delta"]
            noise = calibrate_noise(
                *limits, rate, facts.rounds, node["accountant"], beside=facts.beside
            )
        if adaptive is not None and adaptive["bit_noise"] is None:
            bit_noise = usual_bit_noise(noise, participation * facts.sites)
            adaptive = {**adaptive, "bit_noise": bit_noise}
        return cls(
            clip_norm=node["clip_norm"],
            noise_multiplier=noise,
            noise=node["noise"],
            participation=participation,
            population=facts.sites,
            delta=node["delta"],
            epsilon_limit=node["epsilon"],
            accountant=node["accountant"],
            weights=node["weights"],
            adaptive_clipping=adaptive and AdaptiveClipping(**adaptive),
        )

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """See ``PrivacyPlan``."""
        adaptive = fields["adaptive_clipping"]
        return cls(**{**fields, "adaptive_clipping": adaptive and AdaptiveClipping(**adaptive)})

    def for_survey(self, noise_multiplier: float) -> Self:
        """See ``PrivacyPlan``; whoever adds the noise to updates adds it here, too."""
        return replace(
            self,
            clip_norm=1.0,
            noise_multiplier=noise_multiplier,
            participation=1.0,
            adaptive_clipping=None,
        )

    @property
    def guarantee(self) -> Guarantee:
        """A guarantee for each whole site."""
        return _guarantee(self)

    @property
    def sample_mechanism(self) -> None:
        """None: a site trains without noise, and its update is noised as a whole."""
        return None

    @property
    def update_mechanism(self) -> UpdateMechanism:
        """Clipping and noise of the whole update."""
        return _mechanism(self)


@lru_cache(maxsize=64)
def _guarantee(plan: SitePrivacyPlan) -> Guarantee:
    return Guarantee(
        unit=plan.unit,
        epsilon_limit=plan.epsilon_limit,
        delta=plan.delta,
        accountant=plan.accountant,
        windows_in={},
    )


@lru_cache(maxsize=64)
def _mechanism(plan: SitePrivacyPlan) -> UpdateMechanism:
    return UpdateMechanism(
        clip_norm=plan.clip_norm,
        noise_multiplier=plan.noise_multiplier,
        noise=plan.noise,
        participation=plan.participation,
        population=plan.population,
        adaptive_clipping=plan.adaptive_clipping,
    )


def check_population(delta: float, sites: int) -> None:
    """Raise InvalidConfiguration unless 0 < delta < 1/sites.

    A delta of 1/n would allow publishing one whole site of n (Dwork and Roth 2014, section 2.3).
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
    """The default noise for the sum of bits.

    A twentieth of the expected number of sites (Andrew et al. 2021, section 3.1), and never below
    the noise multiplier: then the updates' noise grows by at most 2 / sqrt(3), 15 %.
    """
    return max(expected_sites / _PAPERS_SHARE, noise_multiplier)
