"""A hostile server asks for medians and spreads: it gets a charged, noised sum, or nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.training import LocalTask
from fl_client.training.checks import check_public
from fl_client.training.cohort import CohortTrainer
from fl_client.training.prepared import net_for
from fl_client.training.surveys import WithSurveys
from fl_common.plan import RunPlan
from fl_common.privacy.quantiles import sensitivity, votes
from fl_common.vocabulary import Floats, LocalUpdate, NetSpec, Refusal, RefusalReason, Windows
from fl_server.rounds.survey import survey_plan
from fl_server.rounds.threshold import threshold_plan
from models.kinds.anomaly import anomaly
from models.nets import parameters_of
from models.nets.survey import COUNTS, EDGES, readings_of
from models.parts.scoring import Reconstruction
from tests.attacks.test_hostile_server import BY_SITE, DATA, Victim, days_of, form
from tests.support import samples
from tests.support.chance import mean_is, spread_is

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
        assert spread_is(apart_CB, noise)
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


SCORED = replace(samples.TASK, labels=(), kind=anomaly(None))
AUTOENCODER = NetSpec("models.nets.autoencoder.Autoencoder", {"hidden": [3], "gain": 1.0})


def score_plan(unit: str, net: NetSpec = AUTOENCODER) -> RunPlan:
    privacy = {"window": samples.WINDOW_PRIVACY, "site": BY_SITE}[unit]
    run = replace(samples.plan(privacy, task=SCORED, net=net), seed=None)
    return threshold_plan(run, 0.5, "after")


def asked(plan: RunPlan, count: int, parameters: dict[str, Floats] | None = None) -> LocalTask:
    windows = samples.windows(count)
    sent = {**parameters_of(net_for(plan)), **(parameters or {})}
    marks_N = np.zeros(len(windows), np.int64)
    return LocalTask(plan, "a", 1, sent, replace(windows, labels=marks_N))


@EACH
def test_a_survey_of_scores_noises_votes_of_which_each_window_has_one(unit: str) -> None:
    plan = score_plan(unit)
    answers = WithSurveys(CohortTrainer(64)).train([asked(plan, 400) for _ in range(10)])
    counts = [answer.delta for answer in answers if isinstance(answer, LocalUpdate)]
    assert len(counts) == 10
    assert all(list(one) == [COUNTS] for one in counts)
    counts_RB = np.array([one[COUNTS][0] for one in counts])
    mechanism = plan.privacy.sample_mechanism
    if mechanism is None:  # the gateway noises it
        assert counts_RB.sum(1) == pytest.approx(1.0)
        return
    noise = mechanism.noise_multiplier / mechanism.expected_batch
    bins = counts_RB.shape[1]
    nobody_s_RB = counts_RB[:, : bins // 2]  # scores are about 1 before any training
    assert spread_is(nobody_s_RB, noise)
    assert mean_is(counts_RB.sum(1), 400 / mechanism.expected_batch, noise * bins**0.5)


def test_no_parameter_of_the_server_gives_a_window_more_than_one_vote() -> None:
    plan = replace(score_plan("window"), privacy=samples.PUBLIC)
    for factor in (0.0, 1e3, 1e30, 3e38):
        steep = {
            name: np.full_like(array, factor)
            for name, array in parameters_of(net_for(plan)).items()
            if name.startswith("scored.last")
        }
        (answer,) = WithSurveys(CohortTrainer(64)).train([asked(plan, 40, steep)])
        assert isinstance(answer, LocalUpdate), answer
        assert answer.delta[COUNTS].min() >= 0
        assert answer.delta[COUNTS].sum() <= 1 + 1e-6


def test_a_survey_of_scores_by_a_net_that_joins_windows_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert check_public(asked(score_plan("window"), 40)) is None
    own, other = Reconstruction.forward, replace(AUTOENCODER, options={"hidden": [7], "gain": 1.0})
    monkeypatch.setattr(
        Reconstruction, "forward", lambda self, x: own(self, x - x.mean(0, keepdim=True))
    )
    refusal = check_public(asked(score_plan("window", other), 40))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.PRIVACY
    assert "other windows" in refusal.detail
