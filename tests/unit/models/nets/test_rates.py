"""training.learning_rate=auto: what the rule goes by, and that a run has what it says."""

from dataclasses import replace

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Task
from fl_server.build import FleetFacts, build_plan
from models import kinds, tasks
from models.nets.rates import rate_for
from tests.conf.test_experiment import values
from tests.support import samples

LABELS = tasks.activity()
NUMBERS = replace(LABELS, labels=(), kind=kinds.declared("regression", range=[0, 1]))
MANY = FleetFacts(21, 345, 409)


def plan_of(
    noise: float, windows: float, steps: int = 2, clip_norm: float = 1.0
) -> WindowPrivacyPlan:
    assert isinstance(samples.WINDOW_PRIVACY, WindowPrivacyPlan)
    return replace(
        samples.WINDOW_PRIVACY,
        noise_multiplier=noise,
        sampling_rate=1.0,
        steps=steps,
        clip_norm=clip_norm,
        expected_batch=windows,
    )


def rate(
    task: Task, noise: float, windows: float, *, rounds: int = 30, sites: int = 20, steps: int = 2
) -> float:
    return rate_for(task, plan_of(noise, windows, steps), rounds, sites).value


@pytest.mark.parametrize("task", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_all_steps_together_go_as_far_and_less_far_where_noise_is_much(task: Task) -> None:
    plenty = rate(task, 1, 5000)
    assert rate(task, 2, 5000) == plenty, "noise that is little changes nothing"
    assert rate(task, 1, 5000, rounds=120) == pytest.approx(plenty / 4, rel=0.05)
    assert rate(task, 1, 5000, steps=8) == pytest.approx(plenty / 4, rel=0.05)
    assert rate(task, 1, 5000, rounds=1) == rate(task, 1, 5000, rounds=15) == 2 * plenty
    few = rate(task, 12, 100, sites=4)
    assert few < plenty / 4
    assert rate(task, 24, 100, sites=4) == pytest.approx(few / 2, rel=0.05)
    assert rate(task, 12, 100, sites=16) == pytest.approx(few * 2, rel=0.05)
    assert rate(task, 12, 200, sites=4) == pytest.approx(few * 2, rel=0.05)


def test_a_larger_clip_norm_makes_the_rate_smaller() -> None:
    once, twice = (rate_for(LABELS, plan_of(1, 5000, clip_norm=c), 30, 20).value for c in (1, 2))
    assert twice == once / 2


def test_numbers_take_shorter_steps_with_and_without_noise() -> None:
    assert rate(NUMBERS, 1, 5000) < rate(LABELS, 1, 5000) / 10
    plain = NoPrivacy("examples")
    assert rate_for(NUMBERS, plain, 30, 20).value < rate_for(LABELS, plain, 30, 20).value


def test_the_plan_has_the_rate_of_the_sites_in_a_round() -> None:
    whole = build_plan(values("task=activity"), "run", LABELS, MANY)
    assert whole.training.learning_rate == rate_for(LABELS, whole.privacy, 30, 21).value
    some = build_plan(values("task=activity", "clients_per_round=2"), "run", LABELS, MANY)
    share = build_plan(values("task=activity", "strategy.fraction=0.1"), "run", LABELS, MANY)
    assert some.training == share.training
    assert some.training.learning_rate < whole.training.learning_rate
    given = build_plan(values("task=activity", "training.learning_rate=0.6"), "run", LABELS, MANY)
    assert given.training.learning_rate == 0.6


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "training.optimizer=adam",
            "optimizer=adam: is a rule for sgd. Set training.learning_rate",
        ),
        ("training.learning_rate=fast", "training.learning_rate=fast"),
    ],
)
def test_what_the_rule_is_not_for_is_refused(override: str, says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says):
        build_plan(values("task=activity", override), "run", LABELS, MANY)
