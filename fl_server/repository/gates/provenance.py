"""Gates on a component's description: privacy spent, licence, and requirements."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fl_common.configuration.rules import above, inside, one_of, require
from fl_server.repository.gates import GateFinding

_ROUNDING = 1 + 1e-9
_BEGAN = "it began with the parameters of an earlier model"
_MOST_EARLIER = 100
SECURE = "operating system"
"""The ``noise_generator`` of a description whose noise can't be reproduced."""


@dataclass(frozen=True)
class PrivacyRule:
    """What a model may have spent: epsilon and delta at most, for a unit at least.

    ``held_out`` is the most that evaluations may have spent on a held-out unit.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    epsilon: float
    delta: float
    unit: str
    held_out: float

    def __post_init__(self) -> None:
        require("gates.epsilon_at_most", self.epsilon, above(0))
        require("gates.delta_at_most", self.delta, inside("(0, 1)"))
        require("gates.unit_at_least", self.unit, one_of(UNITS))
        require("gates.held_out_epsilon_at_most", self.held_out, above(0))


UNITS = ("window", "reading", "site")
"""Units of protection, the weakest first; one of another package counts as a reading."""


def privacy(privacy: Mapping[str, Any] | None, rule: PrivacyRule) -> GateFinding:
    """The privacy spent is known and within all limits, and the noise can't be reproduced.

    ``privacy`` is the description's: unit, epsilon, delta, epsilon_limit, noise_generator, what
    evaluations spent (epsilon_held_out), and any public number of units that it names. Under
    ``init`` it names the model that the first parameters were taken from, with that one's privacy,
    and so on: each must pass, and their epsilons and deltas add up (basic composition: Dwork and
    Roth 2014, theorem 3.16), for they may have been trained on the same data. Runs of one server
    (``ledgers``) do not: the ledger of each site holds all that it ever released about a block of
    its data within the highest of their limits.
    """
    finding = _of_one(privacy, rule)
    earlier = _earlier(privacy)
    if not finding.passed or not earlier:
        return finding
    for about in earlier:
        if not (found := _of_one(about, rule)).passed:
            return GateFinding(False, f"{_BEGAN}: {found.detail}", finding.values)
    assert privacy is not None
    bounds = [_bound(group) for group in _groups(privacy)]
    epsilon, delta = (sum(numbers) for numbers in zip(*bounds, strict=True))
    within = epsilon <= rule.epsilon * _ROUNDING and delta <= rule.delta
    held = ", as the sites' ledgers hold" if len(bounds) <= len(earlier) else ""
    return GateFinding(
        within,
        f"{finding.detail}; {_BEGAN}, and with that one's an epsilon of {epsilon:.3g} at delta"
        f" {delta:g}{held}, of {rule.epsilon:g} at {rule.delta:g}",
        finding.values,
    )


def _groups(privacy: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """A model's privacy and each earlier one's, by the ledgers that they share; all passed."""
    groups = [[privacy]]
    while (init := privacy.get("init")) is not None:
        earlier = init["privacy"]
        shared = init.get("ledgers") is True and all(
            earlier[key] == privacy[key] for key in ("unit", "delta")
        )
        if shared:
            groups[-1].append(earlier)
        else:
            groups.append([earlier])
        privacy = earlier
    return groups


def _bound(group: list[Mapping[str, Any]]) -> tuple[float, float]:
    """The epsilon and delta of models whose runs share their sites' ledgers; of one, its own."""
    spent = [about["epsilon"] for about in group]
    most = spent[0] if len(group) == 1 else max(about["epsilon_limit"] for about in group)
    return most, group[0]["delta"]


def _earlier(privacy: Mapping[str, Any] | None) -> list[Any]:
    """What is said of the privacy of each earlier model, the latest first.

    One of those beyond ``_MOST_EARLIER`` counts as unknown, and so does what is no description.
    """
    found: list[Any] = []
    while isinstance(privacy, Mapping) and privacy.get("init") is not None:
        init = privacy["init"]
        privacy = init.get("privacy") if isinstance(init, Mapping) else None
        if not isinstance(privacy, Mapping) or "unit" not in privacy or len(found) == _MOST_EARLIER:
            privacy = None
        found.append(privacy)
    return found


def _of_one(privacy: Mapping[str, Any] | None, rule: PrivacyRule) -> GateFinding:
    values: dict[str, Any] = {"epsilon_at_most": rule.epsilon}
    if privacy is None:
        return GateFinding(False, "nothing is said of the privacy spent", values)
    if privacy["unit"] == "none":
        return GateFinding(False, "it was trained without differential privacy", values)
    epsilon, limit = privacy.get("epsilon"), privacy.get("epsilon_limit")
    if not isinstance(epsilon, (int, float)) or not isinstance(limit, (int, float)):
        return GateFinding(False, "epsilon, or the plan's limit, is not stated", values)
    values |= {"epsilon": epsilon, "delta": privacy.get("delta"), "unit": privacy["unit"]}
    if privacy.get("noise_generator") != SECURE:
        return GateFinding(
            False,
            "its noise was seeded, as usual in a simulation: who has the seed can take the noise"
            " away again, so its epsilon protects nobody. Train with seed=null",
            values,
        )
    if fault := _unit_or_delta(privacy, rule) or _held_out(privacy, rule):
        return GateFinding(False, fault, values)
    most = min(limit, rule.epsilon)
    return GateFinding(
        epsilon <= most * _ROUNDING,
        f"epsilon {epsilon:.3g} at delta {privacy['delta']:g} for one {privacy['unit']}, of"
        f" {most:g}{_also_held_out(privacy)}",
        values,
    )


def _unit_or_delta(privacy: Mapping[str, Any], rule: PrivacyRule) -> str:
    """Why the unit is too weak, or delta too high; empty if neither is."""
    unit, delta = privacy["unit"], privacy.get("delta")
    if UNITS.index(unit if unit in UNITS else "reading") < UNITS.index(rule.unit):
        return f"it protects each {unit}, and gates.unit_at_least is {rule.unit}"
    if not isinstance(delta, (int, float)) or not 0 < delta <= rule.delta:
        return f"delta is {delta}, and must be above 0 and at most {rule.delta:g}"
    if (count := _declared(privacy)) and delta * count >= 1:
        return f"delta is {delta:g}, with which one whole {unit} of {count:g} may be released"
    return ""


def _declared(privacy: Mapping[str, Any]) -> float:
    """How many units the plan declares: sites, or windows of a site; 0 if it does not say."""
    batch, rate = privacy.get("expected_batch"), privacy.get("sampling_rate")
    if isinstance(batch, (int, float)) and isinstance(rate, (int, float)) and rate > 0:
        return batch / rate
    population = privacy.get("population")
    return population if isinstance(population, int) else 0


def _held_out(privacy: Mapping[str, Any], rule: PrivacyRule) -> str:
    """Why evaluations spent too much; empty if they did not."""
    spent, limit = privacy.get("epsilon_held_out"), privacy.get("epsilon_held_out_limit")
    if spent is None:
        return ""
    most = min(rule.held_out, limit if isinstance(limit, (int, float)) else rule.held_out)
    if isinstance(spent, (int, float)) and spent <= most * _ROUNDING:
        return ""
    return (
        f"evaluations spent an epsilon of {spent} for one held-out {privacy['unit']}, of {most:g}"
    )


def _also_held_out(privacy: Mapping[str, Any]) -> str:
    spent = privacy.get("epsilon_held_out")
    return "" if spent is None else f", and {spent:.3g} for one that was held out"


def licence(licence: str, allowed: Collection[str]) -> GateFinding:
    """The licence (an SPDX identifier) is one of those allowed."""
    verb = "is" if licence in allowed else "is not"
    return GateFinding(
        licence in allowed, f"{licence} {verb} among the allowed", {"allowed": sorted(allowed)}
    )


def requires(
    needed: Collection[Mapping[str, str]], in_production: Callable[[str, str], str | None]
) -> GateFinding:
    """Each required component is in production, in exactly this version.

    ``in_production`` gives the digest in production for a kind and a name, or None.
    """
    missing = [
        f"{one['kind']} {one['name']} {one['digest'][:12]}"
        for one in needed
        if in_production(one["kind"], one["name"]) != one["digest"]
    ]
    if missing:
        return GateFinding(False, f"not in production: {', '.join(missing)}")
    return GateFinding(
        True, f"all {len(needed)} are in production" if needed else "nothing is needed"
    )
