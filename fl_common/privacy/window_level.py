"""Sample-level privacy: it protects a window, or a reading."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Literal, Self

from fl_common.configuration.rules import (
    Config,
    Rule,
    inside,
    one_of,
    optional,
    require,
    require_fields,
    whole,
)
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    AccountantName,
    Spend,
    Weights,
    calibrate_noise,
    check_delta,
    check_epsilon,
)
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import WINDOWS, Guarantee, PlanningFacts, PrivacyPlan

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
    that a block of a site's data ever takes part in. Two data sets are neighbours when one has a
    window (or the windows of a reading) that the other lacks.

    ``expected_batch`` is what the sum of a step is divided by: the sampling rate times the windows
    that any site is taken to have. It is public, whatever a site really has.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    expected_batch: float
    delta: float
    epsilon_limit: float
    accountant: AccountantName
    weights: Weights
    unit: Literal["window", "reading"]
    windows_per_reading: int

    def __post_init__(self) -> None:
        require_fields("privacy", self, unit=one_of(("window", "reading")), weights=_NO_COUNTS)
        _ = self.guarantee, self.sample_mechanism  # they check their own values
        _check_declared(self)

    @classmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        """See ``PrivacyPlan``: the least noise that keeps the protected unit within the limit."""
        check_epsilon(node["epsilon"])
        check_delta(node["delta"], facts.largest)
        declared = declared_windows(node["site_windows"], facts)
        rate = sampling_rate(node["sampling_rate"], facts.batch_size, declared)
        plan = cls(
            clip_norm=node["clip_norm"],
            noise_multiplier=1.0 if node["noise_multiplier"] is None else node["noise_multiplier"],
            sampling_rate=rate,
            steps=facts.local_epochs * max(1, round(1 / rate)),
            expected_batch=rate * declared,
            delta=node["delta"],
            epsilon_limit=node["epsilon"],
            accountant=node["accountant"],
            weights=node["weights"],
            unit=node["unit"],
            windows_per_reading=shared_by(node["windows_per_reading"], facts),
        )
        if node["noise_multiplier"] is not None:
            return plan
        noise = least_noise(plan.guarantee, plan.sample_mechanism, facts.rounds, facts.beside)
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

    def for_survey(self, noise_multiplier: float) -> Self:
        """See ``PrivacyPlan``."""
        declared = self.expected_batch / self.sampling_rate
        once = SampleMechanism(1.0, noise_multiplier, 1.0, 1, declared)
        return self.for_evaluation(once, self.epsilon_limit)


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
    return SampleMechanism(
        plan.clip_norm,
        plan.noise_multiplier,
        plan.sampling_rate,
        plan.steps,
        plan.expected_batch,
    )


def _check_declared(plan: WindowPrivacyPlan) -> None:
    """A delta of 1/n would allow to release one of n windows (Dwork and Roth 2014, section 2.3)."""
    declared = plan.expected_batch / plan.sampling_rate
    if plan.delta * declared >= 1:
        raise InvalidConfiguration(
            f"privacy.delta={plan.delta}",
            f"must be below 1/n = {1 / declared:.3g} for the n = {declared:.0f} windows that a"
            " site is taken to have",
            "Lower privacy.delta, or privacy.site_windows",
        )


def shared_by(given: int, facts: PlanningFacts) -> int:
    """The windows that a reading is counted in: as ``given``, or as the task has, if that is more.

    Raises:
        InvalidConfiguration: not a number of windows.
    """
    require("privacy.windows_per_reading", given, WINDOWS)
    return max(given, facts.windows_per_reading)


def least_noise(
    promise: Guarantee, mechanism: SampleMechanism, rounds: int, beside: Sequence[Spend] = ()
) -> float:
    """The noise multiplier that keeps ``rounds`` of ``mechanism`` and ``beside`` within promise."""
    return calibrate_noise(
        promise.epsilon_limit,
        promise.delta,
        mechanism.sampling_rate,
        mechanism.steps * rounds,
        promise.accountant,
        promise.windows_per_unit,
        beside,
    )


def declared_windows(given: int | None, facts: PlanningFacts) -> int:
    """The number of windows that every site is taken to have, which is public.

    ``given``, or the median over the sites, rounded to two digits, where the fleet is simulated.

    Raises:
        InvalidConfiguration: not a whole number from 1, or null where the sizes are unknown.
    """
    require("privacy.site_windows", given, optional(whole(1, 10**7)))
    if given is not None:
        return given
    if facts.typical is None:
        raise InvalidConfiguration(
            "privacy.site_windows=null",
            "can't be derived from the sites, whose sizes are not known here",
            "Set it to about the number of labelled windows that a site has, such as"
            " privacy.site_windows=1000; it is made public, and only scales the steps",
        )
    return max(1, int(float(f"{facts.typical:.2g}")))


def sampling_rate(given: float | None, batch_size: int, declared: int) -> float:
    """The ``given`` rate; None: ``batch_size`` of the ``declared`` windows of a site.

    Raises:
        InvalidConfiguration: outside (0, 1], or a batch of less than one window or more than all.
    """
    if given is not None:
        require("privacy.sampling_rate", given, inside("(0, 1]"))
        if given * declared < 1:
            raise InvalidConfiguration(
                f"privacy.sampling_rate={given}",
                f"must give a batch of one window on average from the {declared} that a site is"
                " taken to have",
                "Raise it, or privacy.site_windows",
            )
        return given
    if batch_size > declared:
        raise InvalidConfiguration(
            f"training.batch_size={batch_size}",
            f"is more than the {declared} windows that a site is taken to have",
            "Lower it, or set privacy.sampling_rate",
        )
    return batch_size / declared
