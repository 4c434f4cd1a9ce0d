"""A run whose sites are asked how good the model is on their own held-out windows."""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.app import SiteApp
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_common.plan import RunPlan
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers.averaging import FedAvg
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.evaluation import SiteMetrics, evaluate_on_sites
from fl_server.rounds.exchange import Deadlines
from fl_server.rounds.report import RoundReport
from fl_server.rounds.sampling import ClientSampling
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.__main__ import main
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.members import Members, roster_of
from simulate.engines.workers import ThisProcess
from tests.support import samples
from tests.support.box import trainer_of
from tests.support.chance import SIGMAS
from tests.support.sources import ROOT

SITES, PER_SITE = 6, 40
NOISED = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=3.0)
PATIENCE = Deadlines(120.0, 0.01)


def plan_of(privacy: PrivacyPlan, evaluation: EvaluationPlan | None, **changes: object) -> RunPlan:
    return replace(samples.plan(privacy, evaluation=evaluation), rounds=4, **changes)  # type: ignore[arg-type]


class Fleet:
    """Six sites in this process on one ledger; each call of ``grid`` is a new server."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite", lambda: 7.0, "fleet")
        participation = Participation(self.ledger, trainer_of("cohort"))
        self.app = SiteApp(self._site, lambda: participation)

    def _site(self, config: Mapping[str, Any]) -> Site:
        position = int(str(config["partition-id"]))
        train, held_out = samples.windows(32, position), samples.windows(PER_SITE, 100 + position)
        return Site(f"site-{position}", position, lambda: train, lambda: held_out, any_plan)

    def grid(self) -> LoopbackGrid:
        return LoopbackGrid(ThisProcess(CohortResponder(self.app, SITES)), SITES, 1, 2)

    def evaluate(self, plan: RunPlan) -> SiteMetrics:
        parameters = parameters_of(build_net(plan.net, plan.task))
        members = Members(samples.names(SITES))
        return evaluate_on_sites(self.grid(), plan, 1, parameters, members, PATIENCE)

    def run(self, plan: RunPlan, folder: Path, every: int) -> list[SiteMetrics | None]:
        seen: list[SiteMetrics | None] = []

        def record(report: RoundReport) -> dict[str, object]:
            seen.append(report.evaluation)
            return {"round": report.round}

        federation = Federation(
            plan, WeightedMean(), FedAvg(1.0), ClientSampling(None, 1.0, 1),
            roster_of(samples.names(SITES)), 30.0, 0.01, every,
        )  # fmt: skip
        initial = parameters_of(build_net(plan.net, plan.task))
        FederatedRun(federation, initial, folder, record)(self.grid())
        return seen


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_the_noised_sum_lies_within_its_error_of_the_exact_one(fleet: Fleet) -> None:
    exact = fleet.evaluate(plan_of(samples.PUBLIC, None, run="public"))
    noised = fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, NOISED))
    assert exact.total == SITES * PER_SITE
    assert exact.accuracy_error == 0.0
    error = NOISED.noise_on_counts * math.sqrt(SITES)
    assert noised.answered == SITES
    assert (noised.correct, noised.total) != (exact.correct, exact.total)
    assert abs(noised.total - exact.total) < SIGMAS * error
    assert abs(noised.correct - exact.correct) < SIGMAS * error
    assert noised.accuracy is not None
    assert noised.accuracy_error is not None
    assert noised.accuracy_error == pytest.approx(
        error * math.sqrt(1 + noised.accuracy**2) / noised.total
    )


def test_details_give_balanced_accuracy_and_macro_f1_within_their_errors(fleet: Fleet) -> None:
    exact = fleet.evaluate(plan_of(samples.PUBLIC, None, run="public"))
    noised = fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, replace(NOISED, details=True)))
    assert set(exact.measures) == set(noised.measures) == {"balanced_accuracy", "macro_f1"}
    for name, one in exact.measures.items():
        assert one.error == 0.0
        assert abs(noised.measures[name].value - one.value) < SIGMAS * noised.measures[name].error
        assert noised.measures[name].error > 0.01
    assert fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, NOISED, run="plain")).measures == {}


def test_noise_that_drowns_the_counts_gives_no_accuracy(fleet: Fleet) -> None:
    loud = replace(NOISED, noise_multiplier=500.0)
    metrics = fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, loud))
    assert metrics.answered == SITES
    assert metrics.accuracy is None
    assert metrics.figures()["loss_error"] is None


def test_without_noise_for_counts_every_site_refuses(fleet: Fleet) -> None:
    metrics = fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, None))
    assert metrics.answered == 0
    assert len(metrics.refusals) == SITES
    assert fleet.ledger.sites() == []


def test_a_run_shows_what_its_evaluations_cost_until_the_blocks_are_spent(
    fleet: Fleet, tmp_path: Path
) -> None:
    seen = fleet.run(plan_of(samples.WINDOW_PRIVACY, NOISED), tmp_path / "checkpoints", 2)
    assert [metrics is not None for metrics in seen] == [False, True, False, True]
    first, last = [metrics for metrics in seen if metrics]
    assert 0 < first.epsilon < last.epsilon <= 3.0
    assert last.epsilon == last.epsilon_per["window"] < last.epsilon_per["reading"]
    histories = fleet.ledger.histories("site-0")
    assert [event.steps for event in histories["recording (held out)"]] == [2]
    again = fleet.run(plan_of(samples.WINDOW_PRIVACY, NOISED, run="again"), tmp_path / "again", 1)
    reasons = {str(refusal.reason) for metrics in again if metrics for refusal in metrics.refusals}
    assert reasons == {"budget"}
    spent = [metrics for metrics in again if metrics and not metrics.answered]
    assert spent
    assert all(metrics.charged == [] for metrics in spent)


def test_a_site_that_answers_nonsense_is_an_error(fleet: Fleet) -> None:
    class Broken:
        def evaluate(self, site: Site, instruction: object) -> object:
            from fl_common.vocabulary import Evaluation

            return Evaluation(math.nan, 1.0, 1.0)

    fleet.app = SiteApp(fleet._site, Broken)  # type: ignore[arg-type]
    metrics = fleet.evaluate(plan_of(samples.WINDOW_PRIVACY, NOISED))
    assert metrics.answered == 0
    assert len(metrics.errors) == SITES


def test_the_command_line_shows_the_sites_figures_with_their_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["rounds=2", "evaluation=federated", "evaluation.every=1", "sites=4"]
    monkeypatch.setattr("sys.argv", ["simulate", *overrides, f"hydra.run.dir={tmp_path}"])
    main()
    summary = json.loads((tmp_path / "summary.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "rounds.jsonl").read_text().splitlines()]
    assert [row["on_sites"]["sites"] for row in rows] == [4, 4]
    assert summary["on_sites"] == rows[-1]["on_sites"]
    assert summary["on_sites"]["epsilon"] <= 2.0
    shown = " ".join(capsys.readouterr().out.split())
    assert "±" in shown
    assert "for a held-out window" in shown
    assert "Accuracy on the sites" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_the_page_shows_what_a_run_prints(tmp_path: Path) -> None:
    """Its figures, to a few windows: another processor rounds otherwise."""
    page = (ROOT / "docs" / "how-to" / "evaluate-on-sites.md").read_text("utf-8")
    command = [sys.executable, "-m", "simulate", "evaluation=federated"]
    ended = subprocess.run(
        [*command, f"hydra.run.dir={tmp_path / 'out'}"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.search(r"^on sites.*?(?=^privacy)", ended.stdout, re.M | re.S)
    written = re.search(r"^on sites.*?(?=^```)", page, re.M | re.S)
    assert shown is not None
    assert written is not None
    number, names = re.compile(r"\d+(?:\.\d+)?"), re.compile(r"(?<=without )[A-Z, ]+(?= \()")
    texts = [" ".join(found[0].split()) for found in (shown, written)]
    printed_text, told_text = (number.sub("#", names.sub("#", text)) for text in texts)
    assert printed_text == told_text
    for printed, told in zip(number.findall(shown[0]), number.findall(written[0]), strict=True):
        assert float(printed) == pytest.approx(float(told), abs=0.03)
