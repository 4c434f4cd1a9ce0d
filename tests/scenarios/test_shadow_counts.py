"""What sites counted of a candidate reaches the server noised and charged, or not at all."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.app import SiteApp
from fl_client.components.comparison import Comparison
from fl_client.components.inventory import InstalledComponent
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_common.plan import RunPlan
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import RefusalReason, RunningComponents, ShadowCounts
from fl_server.rounds.exchange import Deadlines
from fl_server.rounds.shadow import ShadowMetrics, running_on_sites, shadow_on_sites
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.members import Members
from simulate.engines.workers import ThisProcess
from tests.support import samples
from tests.support.box import trainer_of
from tests.support.comparisons import counted

SITES = 6
MEMBERS = Members(samples.names(SITES))
CANDIDATE = "ab" * 32
NOISED = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=3.0)
DAYS = {"2026-01-01": (900, 800, 60), "2026-01-02": (100, 100, 0)}


class Fleet:
    """Sites that have all counted the same."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite", lambda: 7.0, "fleet")
        participation = Participation(self.ledger, trainer_of("cohort"))
        self.app = SiteApp(self._site, lambda: participation)

    def _site(self, config: Mapping[str, Any]) -> Site:
        position, windows = int(str(config["partition-id"])), samples.windows(8)
        name = f"site-{position}"
        tells = (lambda: [InstalledComponent(CANDIDATE, on_trial=True)]) if position else None
        windows_of = (lambda: windows, lambda: windows)
        return Site(
            name,
            position,
            *windows_of,
            any_plan,
            self._comparison,
            tells,
            held_out_blocks=lambda: list(DAYS),
        )

    def _comparison(self, candidate: str | None) -> Comparison | None:
        return counted(DAYS) if candidate == CANDIDATE else None

    def ask(self, plan: RunPlan, candidate: str = CANDIDATE, round_: int = 1) -> ShadowMetrics:
        about = (plan, round_, candidate, MEMBERS, Deadlines(120.0, 0.01))
        return shadow_on_sites(self.grid(), *about)

    def grid(self) -> LoopbackGrid:
        return LoopbackGrid(ThisProcess(CohortResponder(self.app, SITES)), SITES, 1, 2)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def plan_of(privacy: PrivacyPlan, evaluation: EvaluationPlan | None) -> RunPlan:
    return replace(samples.plan(privacy, evaluation=evaluation), rounds=4)


def test_noised_sums_come_back_and_each_release_is_charged(fleet: Fleet) -> None:
    plan = plan_of(samples.WINDOW_PRIVACY, NOISED)
    found = fleet.ask(plan)
    assert len(found.given) == SITES
    assert found.total.agreed != SITES * 900
    assert found.share("agreed") == pytest.approx(0.9, abs=0.05)
    assert found.share("failed") == pytest.approx(0.06, abs=0.02)
    assert found.error == pytest.approx(3.0 * math.sqrt(3 * SITES))
    spent = fleet.ledger.epsilon("site-0", samples.WINDOW_PRIVACY.delta, "rdp")
    assert spent > 0
    fleet.ask(plan, round_=2)
    again = fleet.ledger.epsilon("site-0", samples.WINDOW_PRIVACY.delta, "rdp")
    assert again > spent


def test_without_budget_left_the_counts_stay(fleet: Fleet) -> None:
    plan = plan_of(samples.WINDOW_PRIVACY, replace(NOISED, epsilon_limit=0.01))
    found = fleet.ask(plan)
    assert found.given == {}
    assert {refusal.reason for refusal in found.refusals} == {RefusalReason.BUDGET}


@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, samples.SITE_PRIVACY])
def test_a_plan_without_noise_for_counts_gets_none(fleet: Fleet, privacy: PrivacyPlan) -> None:
    plan = plan_of(privacy, None)
    if privacy is samples.SITE_PRIVACY:
        with pytest.raises(Exception, match="clip norm"):
            fleet.ask(plan)
        return
    found = fleet.ask(plan)
    assert found.given == {}
    assert {refusal.reason for refusal in found.refusals} == {RefusalReason.PLAN}
    assert "900" not in str(found.refusals)


def test_exact_sums_of_held_out_windows_leave_under_a_public_plan_alone(fleet: Fleet) -> None:
    found = fleet.ask(plan_of(samples.PUBLIC, None))
    assert found.total == ShadowCounts(6000.0, 5400.0, 360.0)


def test_counts_of_another_candidate_are_not_mixed_in(fleet: Fleet) -> None:
    found = fleet.ask(plan_of(samples.PUBLIC, None), candidate="cd" * 32)
    assert found.given == {}
    assert len(found.refusals) == SITES


def test_what_runs_is_said_by_the_sites_that_may_say_it(fleet: Fleet) -> None:
    said, errors = running_on_sites(fleet.grid(), MEMBERS, Deadlines(120.0, 0.01))
    assert errors == []
    assert said["site-0"] == RunningComponents("site-0", told=False)
    assert said["site-1"] == RunningComponents("site-1", True, (CANDIDATE,), (CANDIDATE,))
    assert len(said) == SITES
