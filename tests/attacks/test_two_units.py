"""A server that runs plans of several units, to spend each unit's budget on the same windows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from tests.scenarios.test_box_training import DEMANDS, MONDAY, PRIVACY, Home
from tests.support import samples

LIMIT = 8.0
WINDOW = replace(PRIVACY, noise_multiplier=1.0, epsilon_limit=LIMIT)
SITE = replace(samples.SITE_PRIVACY, noise="site", noise_multiplier=4.0, epsilon_limit=LIMIT)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A box whose owner allows an epsilon of 8 for each window."""
    made = Home(tmp_path)
    made.box = replace(made.box, policy=replace(DEMANDS, epsilon=LIMIT))
    made.sense(MONDAY, 700)
    yield made
    made.connection.close()


def rounds_taken(home: Home, privacy: PrivacyPlan, first: int, most: int) -> int:
    """How many rounds of a run under ``privacy``, of ``most``, the box takes part in."""
    plan: RunPlan = samples.plan(privacy, seed=None, rounds=200, run=privacy.unit)
    for round_ in range(first, first + most):
        answer = home.asks(plan, round_)
        if isinstance(answer, Refusal):
            assert answer.reason is RefusalReason.BUDGET
            return round_ - first
        assert isinstance(answer, LocalUpdate)
    return most


@pytest.mark.parametrize("order", [(WINDOW, SITE), (SITE, WINDOW)], ids=["window", "site"])
def test_a_run_per_window_and_one_per_site_spend_one_budget(
    home: Home, order: tuple[PrivacyPlan, ...]
) -> None:
    rounds = {privacy.unit: rounds_taken(home, privacy, 1, 4) for privacy in order}
    for privacy in order:
        rounds[privacy.unit] += rounds_taken(home, privacy, 5, 100)
    in_window = replace(WINDOW.spend_per_round, steps=WINDOW.steps * rounds["window"])
    in_site = Spend(SITE.noise_multiplier / 2, 1.0, rounds["site"])  # an update without a window
    # is up to two clip norms from the one with it
    assert 6.0 < epsilon_of([in_window, in_site], 1e-5, "rdp") <= LIMIT


def test_the_accountant_that_a_plan_names_does_not_stretch_the_owner_s_limit(home: Home) -> None:
    """``prv`` finds less for the same rounds, and no theorem for rounds that a server chooses."""
    taken = rounds_taken(home, replace(WINDOW, accountant="prv"), 1, 100)
    spent = replace(WINDOW.spend_per_round, steps=WINDOW.steps * taken)
    assert taken > 1
    assert epsilon_of([spent], 1e-5, "rdp") <= LIMIT


def test_an_owner_who_means_a_reading_gets_no_plan_for_a_window(home: Home) -> None:
    home.box = replace(home.box, policy=replace(home.box.policy, unit="reading"))
    answer = home.asks(samples.plan(WINDOW, seed=None), 1)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PLAN
