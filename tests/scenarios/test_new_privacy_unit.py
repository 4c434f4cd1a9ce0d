"""A privacy unit of another package's, which is this file: nothing else of ours knows of it.

It goes from a configuration through the plan's JSON, training, the ledger and the server's tally to
what a person reads. docs/reference/privacy-units.md shows the class.
"""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pytest
import rich.console

from fl_client.app import SiteApp
from fl_client.ledger.ledger import Charge, Ledger
from fl_client.ledger.table import BlockState, states_of, to_json, what_epsilons_are
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.site.policy import PrivacyPolicy
from fl_client.training import LocalTask, Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_common import params
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.plan import RunPlan
from fl_common.privacy import registry
from fl_common.privacy.accounting import Spend, Weights, epsilon_of_group
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import Guarantee, PlanningFacts, PrivacyPlan
from fl_common.privacy.window_level import declared_windows, least_noise
from fl_common.vocabulary import LocalUpdate, Refusal, Windows
from fl_server.build import FleetFacts, build_federation, build_plan
from fl_server.rounds.app import FederatedRun, build_server_app
from fl_server.rounds.report import RoundReport
from models.nets import build_net, parameters_of
from simulate.engines.loopback import run_in_process
from simulate.engines.members import roster_of
from simulate.report.console import Console
from simulate.report.page import write_report
from tests.conf.test_experiment import values
from tests.support import results_samples as made
from tests.support import samples
from tests.support.sources import ROOT

SITES, ROUNDS, SHARED = 3, 4, 3


@dataclass(frozen=True)
class SecondPrivacyPlan(PrivacyPlan):
    """DP-SGD for each second of a recording, which is part of ``windows`` windows at most."""

    clip: float
    noise: float
    rate: float
    steps: int
    batch: float
    delta: float
    epsilon: float
    windows: int
    weights: Weights = "uniform"
    unit: Literal["second"] = "second"

    @classmethod
    def from_config(cls, node: Config, facts: PlanningFacts) -> Self:
        steps = facts.local_epochs * round(1 / node["rate"])
        given = {name: node[name] for name in ("clip", "rate", "delta", "epsilon", "windows")}
        batch = node["rate"] * declared_windows(None, facts)
        first = cls(noise=1.0, steps=steps, batch=batch, **given)
        noise = least_noise(first.guarantee, first.sample_mechanism, facts.rounds)
        return replace(first, noise=noise)

    @property
    def guarantee(self) -> Guarantee:
        told = {"window": 1, "second": self.windows}
        return Guarantee(self.unit, self.epsilon, self.delta, "rdp", told)

    @property
    def sample_mechanism(self) -> SampleMechanism:
        return SampleMechanism(self.clip, self.noise, self.rate, self.steps, self.batch)

    @property
    def update_mechanism(self) -> None:
        return None


NODE = {"unit": "second", "clip": 1.0, "rate": 0.5, "delta": 1e-5, "epsilon": 8.0}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_UNITS", dict(registry._UNITS))
    registry.register("second", SecondPrivacyPlan)


def configuration(**changes: Any) -> dict[str, Any]:
    composed = values("privacy=window", "task=activity", f"rounds={ROUNDS}", "net=logistic")
    return {**composed, "seed": 1, "privacy": {**NODE, "windows": SHARED, **changes}}


def planned(config: dict[str, Any] | None = None) -> RunPlan:
    config = config or configuration()
    return build_plan(config, "run", samples.TASK, FleetFacts(SITES, 32, 32))


def trained(folder: Path, plan: RunPlan, trainer: Trainer) -> tuple[Ledger, list[RoundReport]]:
    """The run in process, on a fleet whose ledger is left open."""
    reports: list[RoundReport] = []

    def record(report: RoundReport) -> dict[str, Any]:
        reports.append(report)
        return {"round": report.round}

    def site_of(node: Any) -> Site:
        place = int(node["partition-id"])
        data = samples.windows(32, seed=place)
        return Site(f"site-{place}", place, lambda: data, lambda: data, any_plan)

    federation = build_federation(configuration(), plan, roster_of(samples.names(SITES)))
    initial = parameters_of(build_net(plan.net, plan.task, 0))
    run = FederatedRun(federation, initial, folder / "checkpoints", record)
    run.resume()
    ledger = Ledger(folder / "ledger.sqlite", time.time, "fleet")
    participation = Participation(ledger, trainer)
    app = SiteApp(site_of, lambda: participation)
    run_in_process(build_server_app(run), app, SITES, workers=1, cohorts=2, cohort_mib=64)
    return ledger, reports


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[tuple[RunPlan, Ledger, list[RoundReport]]]:
    plan = RunPlan.from_json(planned().to_json())
    ledger, reports = trained(tmp_path, plan, CohortTrainer(64))
    with closing(ledger):
        yield plan, ledger, reports


def epsilon_of_seconds(plan: RunPlan, rounds: int) -> float:
    event = plan.privacy.spend_per_round
    grouped = Spend(event.noise_multiplier, event.sampling_rate, event.steps * rounds)
    return epsilon_of_group([grouped], SHARED, 1e-5, "rdp")


def test_its_noise_is_calibrated_to_its_unit_and_the_plan_travels() -> None:
    plan = planned()
    assert isinstance(plan.privacy, SecondPrivacyPlan)
    assert plan.privacy.steps == 2 * plan.training.local_epochs
    assert 7.99 < epsilon_of_seconds(plan, ROUNDS) <= 8.0
    assert RunPlan.from_json(plan.to_json()) == plan


def test_site_and_server_account_alike_for_seconds(
    ran: tuple[RunPlan, Ledger, list[RoundReport]],
) -> None:
    plan, ledger, reports = ran
    spent = [epsilon_of_seconds(plan, rounds) for rounds in range(1, ROUNDS + 1)]
    assert [report.epsilon for report in reports] == pytest.approx(spent)
    assert [report.epsilon_per["second"] for report in reports] == pytest.approx(spent)
    assert reports[-1].epsilon_per["window"] < spent[-1] / 2
    assert all(report.updates == report.asked for report in reports)
    states = states_of(ledger, ["site-0"])
    state = states[0]
    assert (state.unit, state.block, state.rounds) == ("second", "recording", {"run": [1, 2, 3, 4]})
    assert state.spent == pytest.approx(spent[-1])
    assert (state.epsilon_per_window, state.epsilon_per_reading) == (None, None)
    assert what_epsilons_are(states)[0].startswith("Epsilon for each second at delta 1e-05")


def test_its_ledger_is_read_where_the_unit_is_not_installed(
    ran: tuple[RunPlan, Ledger, list[RoundReport]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ledger, _ = ran
    before: list[BlockState] = states_of(ledger, ["site-0"])
    monkeypatch.setattr(registry, "_UNITS", {})
    assert states_of(ledger, ["site-0"]) == before
    assert to_json(ledger, before)["blocks"][0]["unit"] == "second"


@pytest.mark.parametrize("trainer", [CohortTrainer(64), OpacusTrainer()], ids=["cohort", "opacus"])
def test_every_trainer_clips_and_noises_as_it_says(trainer: Trainer) -> None:
    plan = planned()
    noisy = replace(plan, privacy=replace(plan.privacy, noise=40.0))
    start = parameters_of(build_net(plan.net, plan.task, 0))
    data: Windows = samples.windows(32)
    [answer] = trainer.train([LocalTask(noisy, "anna", 1, start, data)])
    assert isinstance(answer, LocalUpdate)
    assert answer.weight == 1.0
    steps = noisy.privacy.spend_per_round.steps
    size = sum(array.size for array in start.values())
    expected = plan.training.learning_rate * 40.0 * np.sqrt(steps * size) / (0.5 * 32)
    assert params.norm(answer.delta) == pytest.approx(expected, rel=0.4)


def test_the_site_refuses_what_its_budget_does_not_hold(tmp_path: Path) -> None:
    plan = replace(planned(), rounds=ROUNDS + 1)
    with pytest.raises(RunFailed, match="round 5: 0 of 3 sites sent an update"):
        trained(tmp_path, plan, CohortTrainer(64))
    with closing(Ledger(tmp_path / "ledger.sqlite", time.time, "fleet")) as ledger:
        charge = Charge("site-0", "run", 5, plan.digest(), plan.privacy, ("recording",), True)
        [refusal] = ledger.debit([charge])
    assert isinstance(refusal, Refusal)
    assert "have spent an epsilon of 8 or more for each second at delta 1e-05" in refusal.detail


def test_a_unit_that_does_not_say_how_is_not_evaluated_with_noise() -> None:
    noise = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=1.0)
    with pytest.raises(InvalidConfiguration, match=r"privacy\.unit=second: protects windows or"):
        replace(planned(), evaluation=noise)
    evaluated = {**configuration(), "evaluation": values("evaluation=federated")["evaluation"]}
    with pytest.raises(InvalidConfiguration, match="evaluation=federated: needs privacy=window"):
        planned(evaluated)


def test_the_owners_policy_holds_for_it() -> None:
    plan = planned()
    PrivacyPolicy(epsilon=8.0, delta=1e-5, unit="window", without_noise=False).check(plan)
    with pytest.raises(InvalidConfiguration, match=r"privacy\.epsilon=8: must not pass 4"):
        PrivacyPolicy(epsilon=4.0, delta=1e-5, unit="window", without_noise=False).check(plan)


def test_console_and_page_name_it(tmp_path: Path) -> None:
    plan = made.plan(planned().privacy)
    told = {"window": 2.0, "second": 6.0}
    rounds = [made.result(r, epsilon=6.0, epsilon_per=told) for r in range(1, 13)]
    end, path, file = made.outcome(), tmp_path / "report.html", io.StringIO()
    summary = made.summary(plan, rounds, end)
    write_report(path, plan, summary, rounds, end, "rounds: 12\n")
    page = " ".join(path.read_text().split())
    assert "for each second of its data: ε = 6 at δ = 1e-05" in page
    assert "for each second (2 for a window); limit 8" in page
    assert "epsilon 2 for a window, 6 for a second (part of up to 3 windows)" in page
    with Console(rich.console.Console(file=file, width=200)) as console:
        console.start(plan, SITES, 0)
        console.round(rounds[0])
        console.finish(summary, end, {})
    assert "at most epsilon 8 at delta 1e-05 for each second of a site" in file.getvalue()
    assert "epsilon 6 of 8 at delta 1e-05 for each second of a site" in file.getvalue()


def test_a_missing_value_names_the_override() -> None:
    node = {name: value for name, value in NODE.items() if name != "rate"}
    config = {**configuration(), "privacy": {**node, "windows": SHARED}}
    with pytest.raises(InvalidConfiguration, match=r"unit=second: needs privacy\.rate, which is"):
        planned(config)


def test_the_page_on_units_shows_this_class() -> None:
    page = (ROOT / "docs/reference/privacy-units.md").read_text("utf-8")
    shown = page.split("```python\n")[1].split("```")[0]
    assert shown.startswith("@dataclass(frozen=True)\nclass SecondPrivacyPlan(PrivacyPlan):")
    assert shown in Path(__file__).read_text("utf-8")


def test_a_value_outside_its_range_is_refused_before_anything_is_trained() -> None:
    require_noise = r"privacy\.noise_multiplier=0.0: must lie in"
    plan = planned()
    with pytest.raises(InvalidConfiguration, match=require_noise):
        replace(plan, privacy=replace(plan.privacy, noise=0.0))
