"""What a plan answers must be a guarantee that can be kept; what follows from the answers."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration, PrivacyViolation
from fl_common.plan import RunPlan
from fl_common.privacy.evaluation import SENSITIVITY, EvaluationPlan
from fl_common.privacy.mechanisms import SampleMechanism, UpdateMechanism
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.unit import WHOLE_SITE, Booking, Guarantee, PrivacyPlan, check_answers
from tests.support import samples
from tests.support.samples import PUBLIC, SITE_PRIVACY, WINDOW_PRIVACY

SAMPLES, UPDATES = WINDOW_PRIVACY.sample_mechanism, SITE_PRIVACY.update_mechanism
PROMISE = Guarantee("day", 8.0, 1e-5, "rdp", {"window": 1, "day": 9})
WHOLE = replace(PROMISE, windows_in={})
BY_SITE = replace(SITE_PRIVACY, noise="site")
COUNTS = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=1.0)


@dataclass(frozen=True)
class AnyPlan(PrivacyPlan):
    """Answers what a test has it answer."""

    guarantee: Guarantee | None = None
    sample_mechanism: SampleMechanism | None = None
    update_mechanism: UpdateMechanism | None = None
    weights: Any = "uniform"
    unit: str = "day"
    evaluated: Any = None

    @classmethod
    def from_config(cls, node: Any, facts: Any) -> "AnyPlan":
        return cls()

    def for_evaluation(self, mechanism: SampleMechanism, epsilon_limit: float) -> Any:
        return self.evaluated


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "privacy.unit=day: promises nothing, which only privacy=none may"),
        ({"sample_mechanism": SAMPLES}, "promises nothing"),
        ({"unit": "none", "update_mechanism": UPDATES}, "promises nothing"),
        ({"guarantee": PROMISE}, "must noise samples or updates"),
        ({"guarantee": WHOLE}, "must noise samples or updates"),
        (
            {"guarantee": PROMISE, "sample_mechanism": SAMPLES, "update_mechanism": UPDATES},
            "must noise nothing else",
        ),
        ({"guarantee": PROMISE, "update_mechanism": UPDATES}, "is not counted in windows"),
        ({"guarantee": WHOLE, "sample_mechanism": SAMPLES}, "say how many windows a unit is in"),
        (
            {"guarantee": PROMISE, "sample_mechanism": SAMPLES, "unit": "year"},
            "privacy.unit=year: promises something for each day",
        ),
        (
            {"guarantee": replace(PROMISE, unit="none"), "unit": "none"},
            "promises something for each none",
        ),
        (
            {"guarantee": PROMISE, "sample_mechanism": SAMPLES, "weights": "examples"},
            "has weights that would tell",
        ),
    ],
)
def test_a_run_with_a_plan_that_does_not_answer_is_refused(
    answers: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        samples.plan(AnyPlan(**answers))


@pytest.mark.parametrize("privacy", [WINDOW_PRIVACY, SITE_PRIVACY, BY_SITE, PUBLIC])
def test_our_own_plans_answer(privacy: PrivacyPlan) -> None:
    check_answers(privacy)


@pytest.mark.parametrize(
    "evaluated",
    [
        None,
        PUBLIC,
        AnyPlan(PROMISE, SAMPLES),
        AnyPlan(PROMISE, SampleMechanism(SENSITIVITY, 6.0, 1.0, 1, 1.0)),
    ],
    ids=["nothing", "no noise", "that of training", "less"],
)
def test_an_evaluation_that_is_not_charged_as_it_is_noised_is_refused(evaluated: Any) -> None:
    plan = samples.plan(AnyPlan(PROMISE, SAMPLES, evaluated=evaluated))
    with pytest.raises(InvalidConfiguration, match="evaluation with noise under"):
        replace(plan, evaluation=COUNTS)
    right = AnyPlan(PROMISE, SampleMechanism(SENSITIVITY, 3.0, 1.0, 1, 1.0))
    sound = samples.plan(AnyPlan(PROMISE, SAMPLES, evaluated=right))
    assert replace(sound, evaluation=COUNTS).evaluation == COUNTS


@pytest.mark.parametrize("noise", [0.0, -1.0, float("nan"), float("inf"), None])
def test_no_mechanism_is_without_noise(noise: Any) -> None:
    for mechanism in (SAMPLES, UPDATES):
        with pytest.raises(InvalidConfiguration, match=r"privacy\.noise_multiplier="):
            replace(mechanism, noise_multiplier=noise)
        with pytest.raises(InvalidConfiguration, match=r"privacy\.clip_norm="):
            replace(mechanism, clip_norm=noise)


@pytest.mark.parametrize(
    ("privacy", "noise", "public"),
    [
        (WINDOW_PRIVACY, "site", False),
        (BY_SITE, "site", False),
        (SITE_PRIVACY, "server", False),
        (PUBLIC, None, True),
        (NoPrivacy("uniform"), None, False),
    ],
)
def test_who_adds_the_noise_and_what_is_public(
    privacy: PrivacyPlan, noise: str | None, public: bool
) -> None:
    assert (privacy.noise_added_by, privacy.counts_are_public) == (noise, public)


def test_what_is_booked() -> None:
    blocks = ("monday", "tuesday")
    assert WINDOW_PRIVACY.booking(3, 5, blocks) == Booking(3, 1, blocks, is_once=False)
    assert BY_SITE.booking(3, 5, blocks) == Booking(3, 1, (WHOLE_SITE,), is_once=False)
    assert SITE_PRIVACY.booking(3, 5, blocks) == Booking(0, 5, (WHOLE_SITE,), is_once=True)


def test_a_plan_without_a_mechanism_can_not_be_charged() -> None:
    with pytest.raises(PrivacyViolation, match="privacy=none has no noise that could be charged"):
        _ = PUBLIC.spend_per_round


def test_a_plan_of_a_unit_that_is_not_known_here_is_refused() -> None:
    text = samples.plan().to_json().replace('"unit":"none"', '"unit":"day"')
    with pytest.raises(InvalidConfiguration, match=r"privacy\.unit=day: must be one of none, rea"):
        RunPlan.from_json(text)


@pytest.mark.parametrize("weights", ["even", False, math.inf, None])
def test_weights_are_one_of_two_words_without_dp_too(weights: Any) -> None:
    with pytest.raises(InvalidConfiguration, match=r"privacy\.weights=.*uniform or examples"):
        NoPrivacy(weights)
