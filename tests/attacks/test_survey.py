"""A hostile server asks for medians and spreads: it gets a charged, noised sum, or nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.training.prepared import net_for
from fl_common.plan import RunPlan
from fl_common.privacy.quantiles import sensitivity, votes
from fl_common.vocabulary import Floats, LocalUpdate, Refusal, RefusalReason, Windows
from fl_server.rounds.survey import survey_plan
from models.nets import parameters_of
from models.nets.survey import COUNTS, EDGES, readings_of
from tests.attacks.test_hostile_server import BY_SITE, DATA, Victim, days_of, form
from tests.support import samples

PLANS = {
    unit: survey_plan(replace(samples.plan(privacy), seed=None), 0.5, "before")
    for unit, privacy in (("window", samples.WINDOW_PRIVACY), ("site", BY_SITE))
}
EACH = pytest.mark.parametrize("unit", PLANS)


def exact(plan: RunPlan, windows: Windows) -> Floats:
    """What must never leave: the votes as the plan scales them."""
    edges_CE = parameters_of(net_for(plan))[EDGES]
    sums_CB = votes(readings_of(windows.values, plan.task), edges_CE) / sensitivity(len(edges_CE))
    samples_, divisor = plan.privacy.sample_mechanism, float(len(windows))
    return np.asarray(sums_CB / (samples_.expected_batch if samples_ else divisor), np.float32)


def noise_of(plan: RunPlan) -> float:
    mechanism, whole = plan.privacy.sample_mechanism, plan.privacy.update_mechanism
    if mechanism is not None:
        return mechanism.noise_multiplier / mechanism.expected_batch
    assert whole is not None
    return whole.noise_multiplier


@EACH
def test_what_leaves_is_charged_and_as_far_from_the_truth_as_the_plans_noise(
    unit: str, tmp_path: Path
) -> None:
    plan, windows = PLANS[unit], days_of(samples.windows(400))
    victim = Victim(tmp_path, lambda: windows)
    answers = [victim.trains(plan, round_) for round_ in (1, 2)]
    truth_CB, noise = exact(plan, windows), noise_of(plan)
    for answer in answers:
        assert isinstance(answer, LocalUpdate), answer
        assert list(answer.delta) == [COUNTS]
        apart_CB = answer.delta[COUNTS] - truth_CB
        assert 0.7 < apart_CB.std() / noise < 1.4
    first, second = (one.delta[COUNTS] for one in answers if isinstance(one, LocalUpdate))
    assert not np.array_equal(first, second)
    spent = [spend for spends in victim.charged().values() for spend in spends]
    assert {one.noise_multiplier for one in spent} == {
        plan.privacy.spend_per_round.noise_multiplier
    }


@EACH
def test_whatever_the_data_are_the_answer_has_one_form_and_one_price(
    unit: str, tmp_path: Path
) -> None:
    found = set[str]()
    for name, read in DATA.items():
        victim = Victim(tmp_path / name.replace(" ", "-"), read)
        answer = victim.trains(PLANS[unit])
        found.add(str((form(answer), victim.charged())))
    assert len(found) == 1


def test_a_survey_that_asks_for_a_sample_or_for_more_steps_is_refused_uncharged(
    tmp_path: Path,
) -> None:
    windows = days_of(samples.windows(40))
    for changes in ({"sampling_rate": 0.5}, {"steps": 2}):
        plan = PLANS["window"]
        odd = replace(plan, privacy=replace(samples.WINDOW_PRIVACY, **changes))
        victim = Victim(tmp_path / next(iter(changes)), lambda: windows)
        answer = victim.trains(odd)
        assert isinstance(answer, Refusal)
        assert answer.reason == RefusalReason.PLAN
        assert not victim.charged()


def test_a_survey_is_not_evaluated(tmp_path: Path) -> None:
    windows = days_of(samples.windows(40))
    answer = Victim(tmp_path, lambda: windows).evaluates(PLANS["window"])
    assert isinstance(answer, Refusal)
    assert answer.reason == RefusalReason.PLAN
