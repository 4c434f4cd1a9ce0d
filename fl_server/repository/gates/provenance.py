"""Gates on a component's description: privacy spent, licence, and requirements."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fl_server.repository.gates import GateFinding

SECURE = "operating system"
"""The ``noise_generator`` of a description whose noise can't be reproduced."""


def privacy(privacy: Mapping[str, Any] | None, epsilon_at_most: float) -> GateFinding:
    """The privacy spent is known and within both limits, and the noise can't be reproduced.

    ``privacy`` is the description's: unit, epsilon, delta, epsilon_limit, noise_generator.
    """
    values: dict[str, Any] = {"epsilon_at_most": epsilon_at_most}
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
    most = min(limit, epsilon_at_most)
    return GateFinding(
        epsilon <= most, f"epsilon {epsilon:.3g} for one {privacy['unit']}, of {most:g}", values
    )


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
