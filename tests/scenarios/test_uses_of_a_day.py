"""Many runs on growing data: a day takes part in as many as the plan says, and within its limit."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from opacus.accountants import RDPAccountant

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import Refusal
from fl_server.build import FleetFacts, build_plan
from fl_server.rounds.survey import spent_on
from simulate import configure
from tests.support import samples

USES, ROUNDS, DAYS = 3, 4, 7
UNITS = {
    "window": ("privacy=window", "privacy.site_windows=64", "privacy.sampling_rate=0.25"),
    "reading": ("privacy=window", "privacy.unit=reading", "privacy.windows_per_reading=3",
                "privacy.site_windows=64"),
}  # fmt: skip


def planned(run: str, *overrides: str, **about: Any) -> RunPlan:
    config: Any = configure(f"rounds={ROUNDS}", "net=logistic", *overrides)
    return build_plan(config, run, samples.TASK, FleetFacts(500, None, None), **about)


def charged(ledger: Ledger, plan: RunPlan, days: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The days that each round of ``plan`` was booked on; none where it was refused."""
    answers = []
    for round_ in range(1, plan.rounds + 1):
        charge = Charge("anna", plan.run, round_, plan.digest(), plan.privacy, days, False)
        (answer,) = ledger.debit([charge])
        answers.append(() if isinstance(answer, Refusal) else answer)
    return answers


def judged(privacy: Any, rounds: int) -> float:
    """Epsilon of so many rounds, by Opacus' accountant."""
    mechanism = privacy.sample_mechanism
    accountant = RDPAccountant()
    accountant.history = [
        (mechanism.noise_multiplier, mechanism.sampling_rate, mechanism.steps * rounds)
    ]
    return float(accountant.get_epsilon(privacy.guarantee.delta))


@pytest.mark.parametrize("unit", UNITS)
def test_each_day_trains_in_as_many_runs_and_then_rests(unit: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", lambda: 7.0, "anna")
    runs_of: dict[str, list[int]] = defaultdict(list)
    for today in range(DAYS):
        plan = planned(f"run{today}", *UNITS[unit], f"privacy.uses={USES}")
        rounds = charged(ledger, plan, tuple(f"day{n}" for n in range(today + 1)))
        assert len(set(rounds)) == 1, "a day that a run begins with is there to its end"
        for day in rounds[0]:
            runs_of[day].append(today)
    ledger.close()
    assert runs_of == {
        f"day{n}": [run for run in range(n, n + USES) if run < DAYS] for n in range(DAYS)
    }


def test_all_runs_of_a_day_keep_to_the_limit_as_another_accountant_counts() -> None:
    privacy = planned("run", *UNITS["window"], f"privacy.uses={USES}").privacy
    assert 0.98 * 8 < judged(privacy, ROUNDS * USES) <= 8.0
    alone = planned("run", *UNITS["window"]).privacy
    assert 0.98 * 8 < judged(alone, ROUNDS) <= 8.0


def test_what_is_spent_beside_the_rounds_is_spent_in_each_run() -> None:
    survey = planned("run", *UNITS["window"], "privacy.noise_multiplier=20")
    beside = spent_on(survey)
    privacy = planned("run", *UNITS["window"], f"privacy.uses={USES}", beside=beside).privacy
    promise, round_ = privacy.guarantee, privacy.spend_per_round
    assert promise is not None
    spent = promise.epsilon([*beside, *[round_] * ROUNDS] * USES)
    assert 0.98 * 8 < spent <= 8.0 * (1 + 1e-9)


def test_held_out_days_are_evaluated_in_as_many_runs() -> None:
    evaluations = ("evaluation=federated", "evaluation.every=2")
    plan = planned("run", *UNITS["window"], *evaluations, f"privacy.uses={USES}", compares=True)
    assert plan.evaluation is not None
    charged = plan.evaluation.charged_under(plan.privacy)
    assert charged is not None
    assert charged.guarantee is not None
    spends = [charged.spend_per_round] * (ROUNDS // 2 + 1)
    assert charged.guarantee.epsilon(spends * USES) <= charged.guarantee.epsilon_limit * (1 + 1e-9)
    assert charged.guarantee.epsilon(spends * (USES + 1)) > charged.guarantee.epsilon_limit


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("privacy.uses=0",), r"privacy\.uses=0: must be a whole number"),
        (("privacy.uses=1.5",), r"privacy\.uses=1\.5"),
        (("privacy.uses=2", "privacy.noise_multiplier=4"), r"uses=2: finds the noise, and .*=4"),
    ],
)
def test_what_is_no_number_of_runs_is_refused(overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says):
        planned("run", *UNITS["window"], *overrides)
