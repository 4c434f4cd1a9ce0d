"""Rounds over the real apps in one process: refusals, faults, resume, privacy spent."""

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
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training import LocalTask
from fl_client.training.opacus import OpacusTrainer
from fl_common import params
from fl_common.compression.quantisation import Compression
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate, Refusal, Windows
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers.averaging import FedAvgM
from fl_server.rounds.app import FederatedRun, build_server_app
from fl_server.rounds.report import RoundReport
from fl_server.rounds.sampling import ClientSampling
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.engines.loopback import run_in_process
from simulate.engines.members import roster_of
from tests.support.samples import WINDOW_PRIVACY, names, plan, windows


class Fleet:
    """Sites in memory; a site may be replaced by one that fails."""

    def __init__(self, folder: Path, sites: int = 3, trainer: Any = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.data = [windows(32 + 4 * i, seed=i) for i in range(sites)]
        self.ledger = Ledger(folder / "ledger.sqlite", time.time, "fleet")
        self.participation = Participation(self.ledger, trainer or OpacusTrainer())

    def site_of(self, config: Mapping[str, Any]) -> Site:
        position = int(config["partition-id"])
        data = self.data[position]
        return Site(f"site-{position}", position, lambda: data, lambda: data, any_plan)

    def run(
        self, run_plan: RunPlan, rounds: int | None = None, minimum: int = 1, per_round: int = 0
    ) -> tuple[FederatedRun, list[RoundReport]]:
        """Run to the end, or stop after ``rounds`` as a killed process would."""
        reports: list[RoundReport] = []

        def record(report: RoundReport) -> dict[str, Any]:
            reports.append(report)
            return {"round": report.round}

        federation = Federation(
            plan=run_plan,
            aggregator=WeightedMean(),
            optimiser=FedAvgM(learning_rate=1.0, momentum=0.5),
            sampling=ClientSampling(per_round or None, 1.0, minimum),
            roster=roster_of(names(len(self.data))),
            round_timeout_s=60.0,
            poll_interval_s=0.01,
        )
        initial = parameters_of(build_net(run_plan.net, run_plan.task, run_plan.seed or 0))
        run = FederatedRun(federation, initial, self.folder / "checkpoints", record)
        run.resume()
        app = SiteApp(self.site_of, lambda: self.participation)
        server_app = build_server_app(run if rounds is None else _Killed(run, rounds))  # type: ignore[arg-type]
        with contextlib.suppress(_Kill):
            run_in_process(server_app, app, len(self.data), workers=1, cohorts=2, cohort_mib=64)
        return run, reports


class _Kill(BaseException):
    """Stands for a process that ends between two rounds."""


class _Killed:
    def __init__(self, run: FederatedRun, rounds: int) -> None:
        self._run, self._rounds = run, rounds
        self._record = run.record
        run.record = self._stop

    def _stop(self, report: RoundReport) -> dict[str, Any]:
        if report.round > self._rounds:
            raise _Kill
        return self._record(report)

    def __call__(self, grid: Any) -> None:
        self._run(grid)


@pytest.mark.parametrize("private", [False, True])
def test_a_run_that_was_killed_ends_as_the_one_that_was_not(tmp_path: Path, private: bool) -> None:
    run_plan = plan(WINDOW_PRIVACY) if private else plan()
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    whole, _ = Fleet(folders[0]).run(run_plan, per_round=2)
    Fleet(folders[1]).run(run_plan, rounds=2, per_round=2)  # round 3 was trained, and lost
    resumed, reports = Fleet(folders[1]).run(run_plan, per_round=2)
    assert [report.round for report in reports] == [3, 4, 5]
    assert params.digest(resumed.parameters) == params.digest(whole.parameters)
    assert resumed.history == whole.history


@pytest.mark.parametrize("share", [1.0, 0.1], ids=["int8", "top-k"])
def test_a_compressed_run_sends_less_spends_the_same_and_ends_the_same_after_a_kill(
    tmp_path: Path, share: float
) -> None:
    plain = plan(WINDOW_PRIVACY, rounds=4, seed=3)
    packed = replace(plain, compression=Compression(share))
    _, of_plain = Fleet(tmp_path / "plain").run(plain)
    whole, reports = Fleet(tmp_path / "whole").run(packed)
    assert [r.updates for r in reports] == [3] * 4
    assert reports[-1].epsilon == of_plain[-1].epsilon
    assert sum(r.bytes_up for r in reports) < sum(r.bytes_up for r in of_plain)
    fleet = Fleet(tmp_path / "killed")
    fleet.run(packed, rounds=2)
    resumed, _ = fleet.run(packed)
    assert params.digest(resumed.parameters) == params.digest(whole.parameters)


def test_the_servers_epsilon_is_the_highest_of_the_sites_ledgers(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    _, reports = fleet.run(plan(WINDOW_PRIVACY), per_round=2)
    spent = [fleet.ledger.epsilon(f"site-{i}", 1e-5, "rdp") for i in range(3)]
    assert reports[-1].epsilon == pytest.approx(max(spent))
    assert min(spent) < max(spent)  # with two of three sites a round, some spend less


def test_a_repeated_round_of_a_seeded_run_is_charged_once(tmp_path: Path) -> None:
    Fleet(tmp_path).run(plan(WINDOW_PRIVACY), rounds=2)
    fleet = Fleet(tmp_path)
    fleet.run(plan(WINDOW_PRIVACY))
    spends = {(e.site, e.round) for e in fleet.ledger.entries("site-0")}
    assert len(spends) == len(list(fleet.ledger.entries("site-0"))) == 5


def test_a_run_of_another_plan_is_not_taken_up(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.run(plan(), rounds=2)
    with pytest.raises(InvalidConfiguration, match="plan"):
        fleet.run(plan(training={"learning_rate": 0.2}))


def test_sites_refuse_when_their_budget_is_spent_and_the_run_fails_at_last(tmp_path: Path) -> None:
    tight = replace(WINDOW_PRIVACY, epsilon_limit=6.0)
    fleet = Fleet(tmp_path)
    with pytest.raises(RunFailed, match=r"minimum is 1.*limit"):
        fleet.run(plan(tight, rounds=50))
    for site in range(3):
        assert 4.0 < fleet.ledger.epsilon(f"site-{site}", 1e-5, "rdp") <= 6.0


class Broken:
    """A trainer whose second site raises, sends NaN, or answers another round."""

    def __init__(self, fault: str) -> None:
        self._fault, self._inner = fault, OpacusTrainer()

    def train(self, cohort: list[LocalTask]) -> list[LocalUpdate | Refusal]:
        answers = self._inner.train(cohort)
        return [self._break(a) if a.site == "site-1" else a for a in answers]

    def _break(self, answer: LocalUpdate | Refusal) -> LocalUpdate | Refusal:
        assert isinstance(answer, LocalUpdate)
        if self._fault == "raises":
            raise OSError("sensor store unplugged")
        if self._fault == "nan":
            spoilt = {name: np.full_like(array, np.nan) for name, array in answer.delta.items()}
            return replace(answer, delta=spoilt)
        if self._fault == "shape":
            return replace(answer, delta={"other": np.zeros(3, np.float32)})
        return replace(answer, round=answer.round - 1)


@pytest.mark.parametrize("fault", ["raises", "nan", "shape", "round"])
def test_a_faulty_site_is_reported_and_left_out(tmp_path: Path, fault: str) -> None:
    _, reports = Fleet(tmp_path, sites=4, trainer=Broken(fault)).run(plan(rounds=2))
    for report in reports:
        assert report.updates == 3
        assert len(report.refusals) + len(report.errors) == 1


def test_below_the_minimum_of_sites_the_run_fails_with_the_first_reason(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, trainer=Broken("nan"))
    with pytest.raises(RunFailed, match=r"2 of 3 sites .* minimum is 3.*NaN"):
        fleet.run(plan(), minimum=3)


def test_with_dp_a_site_with_few_windows_or_none_takes_part_as_any_other(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.data[1], fleet.data[2] = windows(3), windows(8).take(np.arange(0))
    _, reports = fleet.run(plan(WINDOW_PRIVACY))
    assert reports[-1].updates == 3
    spent = {fleet.ledger.epsilon(f"site-{place}", 1e-5, "rdp") for place in range(3)}
    assert len(spent) == 1
    assert min(spent) > 0


def test_windows_of_a_spent_block_are_left_out(tmp_path: Path) -> None:
    tight = replace(WINDOW_PRIVACY, epsilon_limit=6.5)
    fleet = Fleet(tmp_path, sites=1)
    fleet.run(plan(tight, rounds=2, run="earlier"))
    (tmp_path / "checkpoints").rename(tmp_path / "earlier")
    old = fleet.data[0]
    fresh = windows(32, seed=9)
    fleet.data[0] = Windows(
        np.concatenate([old.values, fresh.values]),
        np.concatenate([old.labels, fresh.labels]),
        np.repeat([0, 1], [len(old), len(fresh)]),
        ("recording", "monday"),
    )
    _, reports = fleet.run(plan(tight, rounds=2, run="later"))
    assert [report.updates for report in reports] == [1, 1]
    charged = [entry.blocks for entry in fleet.ledger.entries("site-0")]
    assert ("monday",) in charged
