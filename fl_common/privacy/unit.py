"""The interface of every privacy plan, whatever it protects.

Callers use the interface and never check a plan's type. A plan gives its promise (``guarantee``),
the mechanism that keeps it (``sample_mechanism`` or ``update_mechanism``), and how it is built from
a configuration. Everything else follows from these: what a ledger books, who adds the noise, what
may leave. A new privacy unit is a frozen dataclass with this interface, and a call of
``registry.register``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import Field, asdict, dataclass
from typing import Any, ClassVar, Self

from fl_common.configuration.rules import Config, one_of, require, whole
from fl_common.errors import InvalidConfiguration, PrivacyViolation
from fl_common.privacy.accounting import (
    ACCOUNTANTS,
    AccountantName,
    Spend,
    Weights,
    check_delta,
    check_epsilon,
    epsilon_of_group,
)
from fl_common.privacy.mechanisms import NoisePlace, SampleMechanism, UpdateMechanism

__all__ = ["Booking", "Guarantee", "PlanningFacts", "PrivacyPlan"]

WHOLE_SITE = "(site)"
"""The ledger's block for charges to a whole site; no block of data has this name."""

WITHOUT_DP = "none"
"""The only unit that promises nothing."""

_KNOWN = one_of(ACCOUNTANTS)

WINDOWS = whole(1, 10_000)
"""Numbers of windows that a unit may be part of."""


@dataclass(frozen=True)
class Guarantee:
    """What a plan promises: at most ``epsilon_limit`` at ``delta`` for each of its units.

    ``windows_in`` has, for each unit whose epsilon is reported, how many windows it is part of
    (group privacy). It includes the plan's own unit; it is empty if a whole site is protected.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    unit: str
    epsilon_limit: float
    delta: float
    accountant: AccountantName
    windows_in: Mapping[str, int]

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon_limit)
        check_delta(self.delta)
        require("privacy.accountant", self.accountant, _KNOWN)
        for unit, windows in self.windows_in.items():
            require(f"privacy.windows_per_{unit}", windows, WINDOWS)

    @property
    def windows_per_unit(self) -> int:
        """Windows that one protected unit is part of; 1 for a site, which has its own events."""
        return self.windows_in[self.unit] if self.windows_in else 1

    @property
    def windows_per_reading(self) -> int:
        """Windows that share a reading; 1 if the plan does not count readings."""
        return self.windows_in.get("reading", 1)

    def epsilon(self, spends: Sequence[Spend], windows: int | None = None) -> float:
        """Epsilon of ``spends`` for one unit, or for ``windows`` windows together."""
        size = self.windows_per_unit if windows is None else windows
        return epsilon_of_group(spends, size, self.delta, self.accountant)

    def epsilon_per(self, spends: Sequence[Spend]) -> dict[str, float]:
        """Epsilon of ``spends`` for each unit in ``windows_in``."""
        return {unit: self.epsilon(spends, size) for unit, size in self.windows_in.items()}


@dataclass(frozen=True)
class Booking:
    """What a ledger books before a site trains: ``rounds`` rounds at once, as round ``round``.

    ``blocks`` are charged, whatever they hold. ``is_once``: a repetition of the same booking is not
    booked again.
    """

    round: int
    rounds: int
    blocks: tuple[str, ...]
    is_once: bool


@dataclass(frozen=True)
class PlanningFacts:
    """The facts a plan is calibrated for: rounds and batches, the task, the fleet.

    ``rounds`` are those of all the runs that a block of data may take part in.
    ``typical`` and ``largest`` are the windows of the median and the largest site; None if unknown.
    ``beside`` is what these runs spend on each unit beside their rounds, within the same limit.
    """

    rounds: int
    batch_size: int
    local_epochs: int
    windows_per_reading: int
    sites: int
    typical: int | None
    largest: int | None
    beside: tuple[Spend, ...] = ()


class PrivacyPlan(ABC):
    """A run's privacy plan: a frozen dataclass whose fields travel with the run as JSON.

    ``unit`` names what is protected; ``weights`` says whether a site's number of windows is made
    public as its weight. A class that lacks an abstract member can't be instantiated.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    unit: str
    weights: Weights

    @property
    @abstractmethod
    def guarantee(self) -> Guarantee | None:
        """What is promised; None without DP (``unit`` is then "none")."""

    @property
    @abstractmethod
    def sample_mechanism(self) -> SampleMechanism | None:
        """How each step of local training is clipped and noised; None if it is not."""

    @property
    @abstractmethod
    def update_mechanism(self) -> UpdateMechanism | None:
        """How a site's whole update is clipped and noised; None if it is not."""

    @classmethod
    @abstractmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        """The plan for a configuration's ``privacy`` section; calibrates the noise if it is null.

        Raises:
            InvalidConfiguration: a value, or a combination with ``facts``, that breaks a rule.
        """

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of ``fields()``."""
        return cls(**fields)

    def for_evaluation(self, mechanism: SampleMechanism, epsilon_limit: float) -> Self | None:
        """The plan under which one evaluation on held-out windows is charged.

        None: the unit does not define one, and evaluation with noise is refused.
        """
        return None

    def for_survey(self, noise_multiplier: float) -> Self | None:
        """The plan of a survey's rounds (``models.nets.survey``) with this noise; None without one.

        Each round asks every window, or every site, once, with a clip norm of 1. The limit, the
        delta and the unit are those of this plan.
        """
        return None

    def fields(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    @property
    def mechanism(self) -> SampleMechanism | UpdateMechanism | None:
        """The one mechanism of the plan; None without DP."""
        return self.sample_mechanism or self.update_mechanism

    @property
    def spend_per_round(self) -> Spend:
        """The accountant's event of one round.

        Raises:
            PrivacyViolation: the plan has no mechanism.
        """
        if (mechanism := self.mechanism) is None:
            raise PrivacyViolation(f"privacy={self.unit} has no noise that could be charged.")
        return mechanism.event

    @property
    def noise_added_by(self) -> NoisePlace | None:
        """Who adds the noise: each site before an update leaves, or the server; None: nobody."""
        if (whole := self.update_mechanism) is not None:
            return whole.noise
        return None if self.sample_mechanism is None else "site"

    @property
    def counts_are_public(self) -> bool:
        """Whether exact counts, and texts that may quote data, may leave a site."""
        return self.guarantee is None and self.weights == "examples"

    def booking(self, round_: int, rounds: int, blocks: tuple[str, ...]) -> Booking:
        """What a site is charged for ``round_`` of ``rounds`` where these are its blocks.

        A mechanism on samples charges each block of data for the round; one on whole updates
        charges the site. With the server's noise it charges all rounds, once, before the first
        that the site takes part in: the server releases a noised sum in every round, and the site
        does not see those that it is not drawn for.
        """
        if self.update_mechanism is None:
            return Booking(round_, 1, blocks, is_once=False)
        whole = (WHOLE_SITE,)
        if self.noise_added_by == "server":
            return Booking(0, rounds, whole, is_once=True)
        return Booking(round_, 1, whole, is_once=False)


def check_answers(plan: PrivacyPlan) -> None:
    """Raise InvalidConfiguration unless ``plan``'s guarantee can be kept.

    A promise needs exactly one mechanism, and uniform weights. Only ``privacy=none`` may have
    neither a promise nor a mechanism.
    """
    promise, samples, updates = plan.guarantee, plan.sample_mechanism, plan.update_mechanism
    if promise is None:
        is_sound = plan.unit == WITHOUT_DP and samples is None and updates is None
        rule = "promises nothing, which only privacy=none may"
    elif promise.unit != plan.unit or plan.unit == WITHOUT_DP:
        is_sound, rule = False, f"promises something for each {promise.unit}"
    elif plan.weights != "uniform":
        is_sound, rule = False, "has weights that would tell a site's number of windows"
    elif samples is not None:
        is_sound = updates is None and plan.unit in promise.windows_in
        rule = "noises samples, and must noise nothing else and say how many windows a unit is in"
    else:
        is_sound = updates is not None and not promise.windows_in
        rule = "must noise samples or updates, and a whole site is not counted in windows"
    if is_sound and (own := _own_words(plan)):
        is_sound, rule = False, f"has a {own} of its own, which follows from the mechanism"
    if not is_sound:
        remedy = "Use another privacy unit, or mend the class that was registered for this one"
        raise InvalidConfiguration(f"privacy.unit={plan.unit}", rule, remedy)


_DERIVED = ("mechanism", "spend_per_round", "noise_added_by", "counts_are_public", "booking")
"""Members of ``PrivacyPlan`` that no class defines anew: what is charged is what runs."""


def _own_words(plan: PrivacyPlan) -> str | None:
    """What ``plan`` says in its own words of a mechanism or its price; None if it doesn't."""
    kinds = {
        "guarantee": (plan.guarantee, Guarantee),
        "sample_mechanism": (plan.sample_mechanism, SampleMechanism),
        "update_mechanism": (plan.update_mechanism, UpdateMechanism),
    }
    odd = [name for name, (found, kind) in kinds.items() if found and type(found) is not kind]
    odd += [name for name in _DERIVED if getattr(type(plan), name) is not vars(PrivacyPlan)[name]]
    return odd[0] if odd else None
