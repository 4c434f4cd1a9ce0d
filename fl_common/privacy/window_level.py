"""Sample-level privacy: it protects a window, or a reading."""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Literal, Self

from fl_common.configuration import Config, Rule, inside, one_of, require, require_fields
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    AccountantName,
    Weights,
    calibrate_noise,
    check_delta,
    check_epsilon,
)
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import Guarantee, PlanningFacts, PrivacyPlan

_NO_COUNTS = Rule(
    "must be uniform under DP: an exact example count is an unnoised release",
    lambda weights: weights == "uniform",
)


@dataclass(frozen=True)
class WindowPrivacyPlan(PrivacyPlan):
    """Sample-level DP-SGD (Abadi et al. 2016): it protects a window, or a reading.

    If windows overlap, a reading is part of up to ``windows_per_reading`` windows, and has the
    protection of a group of that many. ``unit`` is the unit that ``epsilon_limit`` applies to.

    ``steps`` is the number of DP-SGD steps in one round; ``epsilon_limit`` holds for everything
    that a block of a site's data ever takes part in.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    delta: float
    epsilon_limit: float
    accountant: AccountantName
    weights: Weights
    unit: Literal["window", "reading"]
    windows_per_reading: int

    def __post_init__(self) -> None:
        require_fields("privacy", self, unit=one_of(("window", "reading")), weights=_NO_COUNTS)
        _ = self.guarantee, self.sample_mechanism  # they check their own values

    @classmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        """See ``PrivacyPlan``: the least noise that keeps the protected unit within the limit."""
        check_epsilon(node["epsilon"])
        check_delta(node["delta"], facts.largest)
        rate = sampling_rate(node["sampling_rate"], facts)
        plan = cls(
            clip_norm=node["clip_norm"],
            noise_multiplier=1.0 if node["noise_multiplier"] is None else node["noise_multiplier"],
            sampling_rate=rate,
            steps=facts.local_epochs * max(1, round(1 / rate)),
            delta=node["delta"],
            epsilon_limit=node["epsilon"],
            accountant=node["accountant"],
            weights=node["weights"],
            unit=node["unit"],
            windows_per_reading=facts.windows_per_reading,
        )
        if node["noise_multiplier"] is not None:
            return plan
        noise = least_noise(plan.guarantee, plan.sample_mechanism, facts.rounds)
        return replace(plan, noise_multiplier=noise)

    @property
    def guarantee(self) -> Guarantee:
        """A guarantee for each window or each reading; the epsilon of both is reported."""
        return _guarantee(self)

    @property
    def sample_mechanism(self) -> SampleMechanism:
        """DP-SGD in each step."""
        return _mechanism(self)

    @property
    def update_mechanism(self) -> None:
        """None: the result of DP-SGD may leave as it is."""
        return None

    def for_evaluation(self, mechanism: SampleMechanism, epsilon_limit: float) -> Self:
        """The same unit and delta with ``mechanism``."""
        return replace(self, **asdict(mechanism), epsilon_limit=epsilon_limit)


@lru_cache(maxsize=64)
def _guarantee(plan: WindowPrivacyPlan) -> Guarantee:
    return Guarantee(
        unit=plan.unit,
        epsilon_limit=plan.epsilon_limit,
        delta=plan.delta,
        accountant=plan.accountant,
        windows_in={"window": 1, "reading": plan.windows_per_reading},
    )


@lru_cache(maxsize=64)
def _mechanism(plan: WindowPrivacyPlan) -> SampleMechanism:
    return SampleMechanism(plan.clip_norm, plan.noise_multiplier, plan.sampling_rate, plan.steps)


def least_noise(promise: Guarantee, mechanism: SampleMechanism, rounds: int) -> float:
    """The noise multiplier that keeps ``rounds`` rounds of ``mechanism`` within the promise."""
    windows = promise.windows_per_unit
    rate = mechanism.event.of_group(windows).sampling_rate
    steps = mechanism.steps * rounds
    noise = calibrate_noise(promise.epsilon_limit, promise.delta, rate, steps, promise.accountant)
    return noise * windows


def sampling_rate(given: float | None, facts: PlanningFacts) -> float:
    """The ``given`` rate; None: one batch over the smallest site's windows.

    Raises:
        InvalidConfiguration: outside (0, 1], or a batch larger than the smallest site.
    """
    if given is not None:
        require("privacy.sampling_rate", given, inside("(0, 1]"))
        facts.check_batches(1 / given, f"privacy.sampling_rate={given}")
        return given
    if facts.smallest is None:
        raise InvalidConfiguration(
            "privacy.sampling_rate=null",
            "can't be derived from the smallest site, whose size is not known here",
            "Set privacy.sampling_rate, for example to 0.1",
        )
    facts.check_batches(facts.batch_size, f"training.batch_size={facts.batch_size}")
    return facts.batch_size / facts.smallest
