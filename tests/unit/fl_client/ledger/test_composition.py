"""All that was released about a block is one total, whatever the units of the plans."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.ledger.composition import (
    Limit,
    Released,
    limit_of_owner,
    of_window,
    released_about,
)
from fl_client.ledger.ledger import Charge, Ledger
from fl_client.ledger.table import states_of
from fl_common.privacy.accounting import Spend, epsilon_of, epsilon_of_group, epsilon_of_groups
from fl_common.privacy.evaluation import held_out_block
from fl_common.privacy.rdp import ORDERS, rdp_of_step
from fl_common.privacy.unit import WHOLE_SITE, PrivacyPlan
from fl_common.vocabulary import Doubles, Refusal, RefusalReason
from tests.support.samples import SITE_PRIVACY, WINDOW_PRIVACY

BY_SITE = replace(SITE_PRIVACY, noise="site", noise_multiplier=4.0)
DELTA = 1e-5
Debit = Callable[..., tuple[str, ...] | Refusal]


def limit(epsilon: float, unit: str = "window", windows: int = 1) -> Limit:
    return limit_of_owner(epsilon, DELTA, unit, windows)


def charge(round_: int, privacy: PrivacyPlan, *blocks: str) -> Charge:
    run = f"run under {privacy.unit}"
    names = (WHOLE_SITE,) if privacy.update_mechanism else blocks or ("monday",)
    return Charge("anna", run, round_, run, privacy, names, False)


def until_refused(ledger: Ledger, first: int, privacy: PrivacyPlan, *blocks: str) -> str:
    """Why the ledger refuses, in the end."""
    for round_ in range(first, first + 1000):
        [answer] = ledger.debit([charge(round_, privacy, *blocks)])
        if isinstance(answer, Refusal):
            assert answer.reason is RefusalReason.BUDGET
            return answer.detail
    pytest.fail("never refused")


@pytest.mark.parametrize("noise", [0.7, 1.0, 4.0])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.7])
def test_a_window_of_a_drawn_site_costs_no_more_than_is_charged(noise: float, rate: float) -> None:
    """The site's update is C with the window and -C without it, the farthest apart."""
    x = np.linspace(-60 * noise, 60 * noise, 400_001)

    def log_normal(mean: float) -> Doubles:
        return np.asarray(-((x - mean) ** 2) / (2 * noise**2) - np.log(noise * math.tau**0.5))

    def log_mixture(mean: float) -> Doubles:
        parts = np.log1p(-rate) + log_normal(0.0), np.log(rate) + log_normal(mean)
        return np.asarray(np.logaddexp(*parts))

    with_it, without = log_mixture(1.0), log_mixture(-1.0)
    event = of_window(Spend(noise, rate, 1))
    bound = rdp_of_step(event.noise_multiplier, event.sampling_rate)
    for order in (2.0, 5.0, 20.0):
        log_moment = np.logaddexp.reduce(order * with_it - (order - 1) * without)
        divergence = (log_moment + np.log(x[1] - x[0])) / (order - 1)
        assert divergence <= bound[np.searchsorted(ORDERS, order)] + 1e-6


def test_releases_about_the_site_are_releases_about_its_blocks_but_not_the_held_out_ones() -> None:
    own, of_site = Spend(1.0, 0.25, 4), Spend(4.0, 1.0, 3)
    histories = {"mon": (own,), held_out_block("mon"): (own,), WHOLE_SITE: (of_site,)}
    assert released_about("mon", histories) == Released((own,), (of_site,))
    assert released_about("new", histories) == Released((), (of_site,))
    assert released_about(held_out_block("mon"), histories) == Released((own,))
    assert released_about(WHOLE_SITE, histories) == Released((of_site,))
    composed = [(own, 3), (Spend(2.0, 1.0, 3), 1)]
    got = released_about("mon", histories).epsilon(3, DELTA, "prv")
    assert got == pytest.approx(epsilon_of_groups(composed, DELTA, "rdp"))


@pytest.mark.parametrize("first", [WINDOW_PRIVACY, BY_SITE], ids=["window", "site"])
def test_two_units_share_the_owners_limit(tmp_path: Path, first: PrivacyPlan) -> None:
    second = BY_SITE if first is WINDOW_PRIVACY else WINDOW_PRIVACY
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0))) as ledger:
        for round_ in range(1, 3):
            assert isinstance(ledger.debit([charge(round_, first)])[0], tuple)
        detail = until_refused(ledger, 3, second)
        assert "past this site's own limit of 8" in detail
        until_refused(ledger, 3, first)
        total = released_about("monday", ledger.histories("anna"))
        assert 7.0 < total.epsilon(1, DELTA, "rdp") <= 8.0
        assert ledger.epsilon("anna", DELTA, "rdp") == total.epsilon(1, DELTA, "rdp")
        [of_block] = [one for one in states_of(ledger, ["anna"]) if one.block == "monday"]
        assert of_block.epsilon_per_window == total.epsilon(1, DELTA, "rdp")


def test_a_day_that_is_gone_does_not_hold_up_releases_about_the_site(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0))) as ledger:
        until_refused(ledger, 1, WINDOW_PRIVACY)
        of_site = charge(1, replace(BY_SITE, noise_multiplier=2.0))
        for reads in (None, ("monday", "tuesday")):
            [answer] = ledger.debit([replace(of_site, reads=reads)])
            assert isinstance(answer, Refusal)
            assert "monday" in answer.detail
        assert ledger.debit([replace(of_site, reads=("tuesday",))]) == [(WHOLE_SITE,)]


def test_new_data_do_not_bring_back_what_the_site_has_released(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0))) as ledger:
        until_refused(ledger, 1, BY_SITE)
        detail = until_refused(ledger, 1, WINDOW_PRIVACY, "tuesday")
        assert "limit for each window" not in detail
        spent = released_about("tuesday", ledger.histories("anna")).epsilon(1, DELTA, "rdp")
        assert 6.0 < spent <= 8.0


def test_the_owners_limit_holds_whatever_the_plans_is(tmp_path: Path) -> None:
    assert WINDOW_PRIVACY.epsilon_limit == 50.0
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0))) as ledger:
        until_refused(ledger, 1, WINDOW_PRIVACY)
        until_refused(ledger, 1, WINDOW_PRIVACY, held_out_block("monday"))
        assert ledger.epsilon("anna", DELTA, "rdp") <= 8.0


def test_a_limit_for_a_reading_counts_the_windows_that_this_site_cuts(tmp_path: Path) -> None:
    plan = replace(WINDOW_PRIVACY, noise_multiplier=8.0)
    assert plan.windows_per_reading == 2
    reading = limit(8.0, "reading", 3)
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=reading)) as ledger:
        assert "for each reading" in until_refused(ledger, 1, plan)
        [events] = ledger.histories("anna").values()
        assert epsilon_of_group(events, 3, DELTA, "rdp") <= 8.0
        more = [replace(one, steps=one.steps + 4) for one in events]
        assert epsilon_of_group(more, 3, DELTA, "rdp") > 8.0


def test_a_limit_for_the_site_composes_its_plans_and_refuses_what_bounds_nothing(
    tmp_path: Path,
) -> None:
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0, "site"))) as ledger:
        until_refused(ledger, 1, BY_SITE)
        [events] = ledger.histories("anna").values()
        assert 7.0 < epsilon_of(events, DELTA, "rdp") <= 8.0
        assert "bound nothing for a whole site" in until_refused(ledger, 1, WINDOW_PRIVACY)


def test_a_ledger_with_windows_has_no_limit_for_the_site(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna")) as ledger:
        ledger.debit([charge(1, WINDOW_PRIVACY)])
    with closing(Ledger(tmp_path / "l", lambda: 7.0, "anna", limit=limit(8.0, "site"))) as ledger:
        assert "monday: releases about their windows" in until_refused(ledger, 1, BY_SITE)
