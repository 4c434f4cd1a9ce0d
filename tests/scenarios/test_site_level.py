"""Site-level privacy over the real apps: who adds noise, what is spent, resume, refusals."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.app import SiteApp
from fl_client.ledger.ledger import Ledger
from fl_client.release.gateway import release_update
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_common import params
from fl_common.errors import RunFailed
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.unit import WHOLE_SITE
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers.averaging import FedAvgM
from fl_server.rounds.app import FederatedRun, build_server_app
from fl_server.rounds.report import RoundReport
from fl_server.rounds.sampling import PoissonSampling
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.engines.loopback import run_in_process
from simulate.engines.members import roster_of
from tests.support.samples import ADAPTIVE, SITE_PRIVACY, WINDOW_PRIVACY, names, plan, windows

SITES = SITE_PRIVACY.population
CENTRAL = replace(SITE_PRIVACY, noise_multiplier=0.8)
LOCAL = replace(SITE_PRIVACY, noise="site", noise_multiplier=4.0)
ADAPTING = replace(CENTRAL, adaptive_clipping=ADAPTIVE)


class Fleet:
    """Sites in memory that share a ledger."""

    def __init__(self, folder: Path, trainer: Any = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.data = [windows(32, seed=seed) for seed in range(SITES)]
        self.ledger = Ledger(folder / "ledger.sqlite", time.time, "fleet")
        self.participation = Participation(self.ledger, trainer or CohortTrainer(64))

    def site_of(self, config: Mapping[str, Any]) -> Site:
        position = int(config["partition-id"])
        data = self.data[position]
        return Site(f"site-{position}", position, lambda: data, lambda: data, any_plan)

    def run(
        self, run_plan: RunPlan, stop_after: int | None = None, minimum: int = 1
    ) -> tuple[FederatedRun, list[RoundReport]]:
        """Run to the end, or until a process would have been killed in the round after."""
        reports: list[RoundReport] = []

        def record(report: RoundReport) -> dict[str, Any]:
            if stop_after is not None and report.round > stop_after:
                raise _Kill
            reports.append(report)
            return {"round": report.round, "clip_norm": report.clip_norm}

        privacy = run_plan.privacy
        federation = Federation(
            plan=run_plan,
            aggregator=WeightedMean(),
            optimiser=FedAvgM(learning_rate=1.0, momentum=0.5),
            sampling=PoissonSampling(getattr(privacy, "participation", 0.5), minimum),
            roster=roster_of(names(SITES)),
            round_timeout_s=60.0,
            poll_interval_s=0.01,
        )
        initial = parameters_of(build_net(run_plan.net, run_plan.task, 0))
        run = FederatedRun(federation, initial, self.folder / "checkpoints", record)
        run.resume()
        app = SiteApp(self.site_of, lambda: self.participation)
        with contextlib.suppress(_Kill):
            run_in_process(build_server_app(run), app, SITES, workers=1, cohorts=2, cohort_mib=64)
        return run, reports

    def spent(self, site: int) -> set[tuple[str, Spend]]:
        """Blocks and events in the ledger of a site."""
        entries = self.ledger.entries(f"site-{site}")
        return {(block, entry.spend) for entry in entries for block in entry.blocks}


class _Kill(BaseException):
    """Stands for a process that ends between two rounds."""


def asked_of(fleet_run: FederatedRun) -> set[int]:
    """Positions of the sites that took part in any round."""
    charged = {site for row in fleet_run.history for site in row["charged"]}
    return {site for site in range(SITES) if f"site-{site}" in charged}


def test_with_the_servers_noise_epsilon_grows_each_round_by_the_accountants_event(
    tmp_path: Path,
) -> None:
    _, reports = Fleet(tmp_path).run(plan(CENTRAL, rounds=6))
    spends = [epsilon_of([Spend(0.8, 0.5, rounds)], 1e-5, "rdp") for rounds in range(1, 7)]
    assert [report.epsilon for report in reports] == pytest.approx(spends)
    assert {report.asked for report in reports} - {SITES}  # sampling does not ask everybody
    assert all(report.updates == report.asked for report in reports)


def test_a_site_books_the_whole_run_before_its_first_round_and_only_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    run, reports = fleet.run(plan(CENTRAL, rounds=6))
    took_part = asked_of(run)
    assert sum(report.asked for report in reports) > len(took_part)  # some more than once
    for site in range(SITES):
        expected = {(WHOLE_SITE, Spend(0.8, 0.5, 6))} if site in took_part else set()
        assert fleet.spent(site) == expected
        assert len(list(fleet.ledger.entries(f"site-{site}"))) == len(expected)
    # At the end of the run site and server agree on what it cost.
    spent = fleet.ledger.epsilon(f"site-{min(took_part)}", 1e-5, "rdp")
    assert spent == pytest.approx(reports[-1].epsilon)


def test_with_the_sites_noise_each_round_is_charged_to_those_who_took_part(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    run, reports = fleet.run(plan(LOCAL, rounds=6))
    rounds_of = [
        sum(f"site-{site}" in row["charged"] for row in run.history) for site in range(SITES)
    ]
    assert len(set(rounds_of)) > 1
    for site, rounds in enumerate(rounds_of):
        spent = epsilon_of([Spend(4.0, 1.0, 1)] * rounds, 1e-5, "rdp")
        assert fleet.ledger.epsilon(f"site-{site}", 1e-5, "rdp") == pytest.approx(spent)
    most = epsilon_of([Spend(4.0, 1.0, max(rounds_of))], 1e-5, "rdp")
    assert reports[-1].epsilon == pytest.approx(most)


@pytest.mark.parametrize("privacy", [CENTRAL, LOCAL, ADAPTING], ids=["server", "site", "adaptive"])
def test_a_run_that_was_killed_ends_as_the_one_that_was_not(tmp_path: Path, privacy: Any) -> None:
    run_plan = plan(privacy)
    whole, _ = Fleet(tmp_path / "whole").run(run_plan)
    Fleet(tmp_path / "killed").run(run_plan, stop_after=2)
    resumed, reports = Fleet(tmp_path / "killed").run(run_plan)
    assert [report.round for report in reports] == [3, 4, 5]
    assert params.digest(resumed.parameters) == params.digest(whole.parameters)
    assert resumed.history == whole.history


def test_both_trainers_give_the_same_site_level_update(tmp_path: Path) -> None:
    quiet = replace(SITE_PRIVACY, noise_multiplier=1e-4, participation=1.0, epsilon_limit=1e12)
    runs = [
        Fleet(tmp_path / name, trainer).run(plan(quiet, rounds=2))[0]
        for name, trainer in (("opacus", OpacusTrainer()), ("cohort", CohortTrainer(64)))
    ]
    for name, array in runs[0].parameters.items():
        np.testing.assert_allclose(array, runs[1].parameters[name], rtol=1e-4, atol=1e-6)


def test_the_clip_norm_follows_the_updates_and_is_in_the_history(tmp_path: Path) -> None:
    huge = replace(ADAPTING, clip_norm=100.0, participation=1.0)
    run, reports = Fleet(tmp_path).run(plan(huge, rounds=20))
    clip_norms = [report.clip_norm for report in reports]
    assert [row["clip_norm"] for row in run.history] == clip_norms
    assert [row["next_clip_norm"] for row in run.history[:-1]] == clip_norms[1:]
    assert clip_norms[0] == 100.0
    last = clip_norms[-1]
    assert last is not None
    assert last < 50  # every update is shorter: it falls by about a tenth a round


def test_a_round_without_sites_releases_noise_and_counts(tmp_path: Path) -> None:
    rare = replace(CENTRAL, participation=0.01)
    run, reports = Fleet(tmp_path).run(plan(rare, rounds=4))
    empty = [report for report in reports if report.asked == 0]
    assert len(empty) >= 3
    digests = {params.digest(report.parameters) for report in reports}
    assert len(digests) == len(reports)
    spent = epsilon_of([Spend(0.8, 0.01, 4)], 1e-5, "rdp")
    assert reports[-1].epsilon == pytest.approx(spent)
    # Noise alone: its norm is that of noise_multiplier * clip_norm over the expected sites.
    step = params.subtract(empty[0].parameters, run.initial)
    if empty[0].round == 1:
        size = sum(array.size for array in step.values())
        scale = 0.8 / (0.01 * SITES) * np.sqrt(size)
        assert params.norm(step) == pytest.approx(scale, rel=0.4)


def test_a_round_without_sites_changes_nothing_where_sites_add_the_noise(tmp_path: Path) -> None:
    rare = replace(LOCAL, participation=0.01)
    run, reports = Fleet(tmp_path).run(plan(rare, rounds=3))
    assert [report.asked for report in reports] == [0, 0, 0]
    assert params.digest(run.parameters) == params.digest(run.initial)
    assert reports[-1].epsilon == 0.0


def test_a_site_refuses_a_second_run_that_would_pass_its_limit(tmp_path: Path) -> None:
    once = epsilon_of([Spend(0.8, 1.0, 3)], 1e-5, "rdp")
    tight = replace(CENTRAL, epsilon_limit=1.1 * once, participation=1.0)
    fleet = Fleet(tmp_path)
    fleet.run(plan(tight, rounds=3, run="first"))
    (tmp_path / "checkpoints").rename(tmp_path / "earlier")
    with pytest.raises(RunFailed, match=r"round 1: 0 of 6 sites .* limit"):
        fleet.run(plan(tight, rounds=3, run="second"))
    assert fleet.ledger.epsilon("site-0", 1e-5, "rdp") == pytest.approx(once)


def test_sites_with_their_own_noise_refuse_when_their_budget_is_spent(tmp_path: Path) -> None:
    limit = epsilon_of([Spend(4.0, 1.0, 2)], 1e-5, "rdp")
    tight = replace(LOCAL, epsilon_limit=limit, participation=1.0)
    fleet = Fleet(tmp_path)
    with pytest.raises(RunFailed, match=r"round 3: 0 of 6 sites"):
        fleet.run(plan(tight, rounds=5))
    for site in range(SITES):
        assert fleet.ledger.epsilon(f"site-{site}", 1e-5, "rdp") == pytest.approx(limit)


def test_window_level_and_site_level_spends_stay_in_blocks_of_their_own(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    site, data = fleet.site_of({"partition-id": 0}), fleet.data[0]
    for run_plan, clip_norm in (
        (plan(WINDOW_PRIVACY, run="windows"), None),
        (plan(LOCAL, run="sites"), 1.0),
    ):
        fleet.participation.answer([(site, instruction(run_plan, clip_norm))])
    histories = fleet.ledger.histories("site-0")
    assert set(histories) == {*data.blocks, WHOLE_SITE}
    assert histories[WHOLE_SITE] == (Spend(4.0, 1.0, 1),)
    assert histories[data.blocks[0]] == (WINDOW_PRIVACY.spend_per_round,)


def instruction(run_plan: RunPlan, clip_norm: float | None, round_: int = 1) -> Instruction:
    initial = parameters_of(build_net(run_plan.net, run_plan.task, 0))
    return Instruction(run_plan, round_, initial, clip_norm)


def test_a_round_beyond_the_plans_is_refused_before_any_debit(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    site = fleet.site_of({"partition-id": 0})
    for round_ in (0, 6):
        (answer,) = fleet.participation.answer([(site, instruction(plan(CENTRAL), 1.0, round_))])
        assert isinstance(answer, Refusal)
        assert answer.reason is RefusalReason.PLAN
    assert fleet.spent(0) == set()


def test_a_site_that_does_not_clip_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(update: LocalUpdate, asked: Instruction) -> LocalUpdate | Refusal:
        released = release_update(update, asked)
        if update.site == "site-1" and isinstance(released, LocalUpdate):
            return replace(released, delta=params.scale(released.delta, 1e6))
        return released

    monkeypatch.setattr("fl_client.site.participation.release_update", faulty)
    everybody = replace(CENTRAL, participation=1.0)
    run, reports = Fleet(tmp_path).run(plan(everybody, rounds=2))
    for report in reports:
        assert report.updates == SITES - 1
        assert len(report.errors) == 1
        assert "norm" in report.errors[0]
        assert "site-1" in report.errors[0]
    assert params.norm(params.subtract(run.parameters, run.initial)) < 20


@pytest.mark.parametrize("privacy", [CENTRAL, LOCAL], ids=["server", "site"])
def test_without_a_seed_no_two_runs_are_alike(tmp_path: Path, privacy: Any) -> None:
    device = plan(replace(privacy, participation=1.0), rounds=2, seed=None)
    runs = [Fleet(tmp_path / name).run(device)[0] for name in ("one", "other")]
    assert len({params.digest(run.parameters) for run in runs}) == 2
