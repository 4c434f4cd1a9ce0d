"""More rounds than a run began with: where its plan allows that, as a run of another identity.

A site takes one plan for a run, and the number of rounds is part of it. So the longer run has an
identity of its own, and its record names the runs that it goes on from: ledgers compose over runs.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from fl_common.configuration.settings import PLAN, Settings, check_same
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend
from fl_common.privacy.unit import Guarantee
from simulate.home import Leg, Origin, RunRecord

_ROUNDS = "rounds"
_NOISE, _RATE = "privacy.noise_multiplier", "training.learning_rate"


def identity_of(begun: RunRecord | None, rounds: object) -> str:
    """The identity of a run of so many ``rounds``: the begun one's or its own."""
    if begun is None or (isinstance(rounds, int) and rounds > begun.settings[_ROUNDS]):
        return uuid.uuid4().hex
    return begun.run


def survey_of(begun: RunRecord | None, identity: str) -> str:
    """The identity of the survey before a run: that of the first of all that it goes on from."""
    first = identity if begun is None else (*(leg.run for leg in begun.legs), begun.run)[0]
    return f"{first}-scale"


def threshold_survey_of(begun: RunRecord | None, identity: str) -> tuple[str, int]:
    """The identity of the survey after a run, and how many surveys may be charged with it.

    Each run that it goes on from may have had its own.
    """
    earlier = [] if begun is None else [*(leg.run for leg in begun.legs), begun.run]
    return f"{identity}-threshold", len({*earlier, identity})


def record_of(
    resumed: str,
    begun: RunRecord | None,
    plan: RunPlan,
    settings: Settings,
    origin: Origin,
    beside: Sequence[Spend] = (),
) -> tuple[RunRecord, list[str]]:
    """The record of the run of ``plan``, and what to say of its going on beyond its first plan.

    ``beside`` is what its sites spend beside its rounds.

    Raises:
        InvalidConfiguration: it can't go on from the one that has ``begun``.
    """
    if begun is None:
        return RunRecord(plan.run, origin, settings), []
    if begun.run == plan.run:
        check_same(resumed, begun.settings, settings)
        return begun, []
    words = _check_longer(resumed, begun, plan, settings, beside)
    return _longer(begun, plan, settings), [words]


def _check_longer(
    resumed: str, record: RunRecord, plan: RunPlan, settings: Settings, beside: Sequence[Spend]
) -> str:
    """Check that the run of ``record`` may go on to the rounds of ``plan``; says what that costs.

    Raises:
        InvalidConfiguration: another setting differs, or what is done depended on how many rounds
            were to come, or they cost more than the limit.
    """
    then = record.settings[_ROUNDS]
    before, value = replace(plan, run="", rounds=then), f"{resumed} with rounds={plan.rounds}"
    same = {_ROUNDS: then, PLAN: record.settings[PLAN]}
    check_same(resumed, record.settings, {**settings, **same})
    remedy = f"Give {resumed} alone, or begin a new run"
    if plan.training.schedule != "constant":
        raise InvalidConfiguration(
            value, f"its learning rates were those of a run of {then} rounds", remedy
        )
    if before.digest() != record.settings[PLAN]:
        is_calibrated = settings.get(_NOISE) is None
        raise InvalidConfiguration(
            value,
            f"its noise was calibrated to spend the limit in {then} rounds"
            if is_calibrated
            else f"its learning rate was the rule's for {then} rounds",
            f"{remedy}: one that sets {_NOISE} and {_RATE} can go on within its limit",
        )
    if plan.privacy.noise_added_by == "server":
        raise InvalidConfiguration(value, "its sites were charged for all rounds at once", remedy)
    words = f"goes on beyond the {then} rounds of run {record.run}"
    return (
        words
        if (promise := plan.privacy.guarantee) is None
        else _cost(value, words, plan, promise, beside)
    )


def _cost(
    value: str, words: str, plan: RunPlan, promise: Guarantee, beside: Sequence[Spend]
) -> str:
    def epsilon(rounds: int) -> float:
        event = plan.privacy.spend_per_round
        return promise.epsilon([*beside, replace(event, steps=event.steps * rounds)])

    if (spent := epsilon(plan.rounds)) <= promise.epsilon_limit:
        return f"{words}: at most epsilon {spent:.3g} of {promise.epsilon_limit:g} in all"
    fits, too_many = 0, plan.rounds
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if epsilon(middle) <= promise.epsilon_limit else (
            fits, middle)  # fmt: skip
    raise InvalidConfiguration(
        value,
        f"would spend epsilon {spent:.3g}, and the limit is {promise.epsilon_limit:g}",
        f"Give rounds={fits} at most",
    )


def _longer(record: RunRecord, plan: RunPlan, settings: Settings) -> RunRecord:
    """The record of the run that goes on from that of ``record``, by ``plan``."""
    origin, rounds = record.origin, plan.rounds
    whole = origin.configuration and {**origin.configuration, _ROUNDS: rounds}
    changed = Origin(() if whole else (*origin.overrides, f"{_ROUNDS}={rounds}"), whole)
    legs = (*record.legs, Leg(record.run, record.settings[_ROUNDS]))
    return RunRecord(plan.run, changed, settings, legs)


def earlier_plans(legs: Sequence[Leg], plan: RunPlan) -> list[RunPlan]:
    """The plans of the runs that the run of ``plan`` goes on from."""
    return [replace(plan, run=leg.run, rounds=leg.rounds) for leg in legs]
