"""What a site's owner demands of plans, whatever the server asks for."""

from dataclasses import replace
from typing import Any

import pytest

from fl_client.site.policy import PrivacyPolicy
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.unit import PrivacyPlan
from tests.support import samples

DEMANDS = PrivacyPolicy(epsilon=8.0, delta=1e-5, unit="window", without_noise=False)
WINDOW = replace(samples.WINDOW_PRIVACY, epsilon_limit=8.0)
BY_SITE = replace(samples.SITE_PRIVACY, noise="site", epsilon_limit=8.0)
BY_SERVER = replace(samples.SITE_PRIVACY, epsilon_limit=8.0)
EVALUATION = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=8.0)


@pytest.mark.parametrize("privacy", [WINDOW, replace(WINDOW, delta=1e-6), BY_SITE])
def test_a_plan_within_the_limits_is_taken(privacy: PrivacyPlan) -> None:
    DEMANDS.check(samples.plan(privacy))


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        (replace(WINDOW, epsilon_limit=8.1), r"privacy.epsilon=8.1: must not pass 8,"),
        (replace(WINDOW, delta=2e-5), r"privacy.delta=2e-05: must not pass 1e-05,"),
        (replace(BY_SITE, epsilon_limit=9.0), r"privacy.epsilon=9: must not pass 8,"),
        (BY_SERVER, "privacy=site and noise by the server: must have noise"),
        (samples.PUBLIC, "privacy=none: must have noise"),
        (replace(samples.PUBLIC, weights="uniform"), "privacy=none: must have noise"),
    ],
)
def test_a_plan_that_promises_less_is_refused(privacy: PrivacyPlan, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        DEMANDS.check(samples.plan(privacy))


def test_an_evaluation_has_the_same_limit() -> None:
    DEMANDS.check(samples.plan(WINDOW, evaluation=EVALUATION))
    more = replace(EVALUATION, epsilon_limit=9.0)
    with pytest.raises(InvalidConfiguration, match=r"evaluation.epsilon=9: must not pass 8,"):
        DEMANDS.check(samples.plan(WINDOW, evaluation=more))


def test_an_owner_may_let_plans_without_noise_in_and_keeps_the_limits_of_the_others() -> None:
    generous = replace(DEMANDS, without_noise=True)
    for privacy in (samples.PUBLIC, BY_SERVER):
        generous.check(samples.plan(privacy))
    for asked in (replace(WINDOW, epsilon_limit=9.0), replace(BY_SERVER, epsilon_limit=9.0)):
        with pytest.raises(InvalidConfiguration, match="must not pass 8"):
            generous.check(samples.plan(asked))


def test_a_plan_for_a_weaker_unit_than_the_owners_is_refused() -> None:
    reading = replace(WINDOW, unit="reading")
    strongest_first = [BY_SITE, reading, WINDOW]
    for place, owner in enumerate(["site", "reading", "window"]):
        demands = replace(DEMANDS, unit=owner)
        for privacy in strongest_first[: place + 1]:
            demands.check(samples.plan(privacy))
        for privacy in strongest_first[place + 1 :]:
            with pytest.raises(InvalidConfiguration, match=f"must protect each {owner}, as this"):
                demands.check(samples.plan(privacy))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"epsilon": 0.0}, {"epsilon": float("inf")}, {"delta": 1.0}),
        *({"unit": "day"}, {"unit": None}),
        *({"without_noise": "false"}, {"without_noise": None}),
    ],
)
def test_demands_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match="privacy"):
        replace(DEMANDS, **wrong)
