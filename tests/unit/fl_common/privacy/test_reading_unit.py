"""Windows that share readings: what a reading costs, shown and limited."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend, calibrate_noise, epsilon_of, epsilon_of_group
from fl_common.privacy.rdp import epsilon_of_rdp, rdp_of_step
from fl_common.privacy.unit import PlanningFacts
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Refusal
from fl_server.rounds.accounting import SpendTally
from tests.support.samples import WINDOW_PRIVACY, plan

READING = replace(WINDOW_PRIVACY, unit="reading")


@given(st.floats(0.5, 20), st.floats(0.01, 1), st.integers(1, 200), st.integers(1, 4))
def test_a_group_costs_at_least_what_a_window_does(
    noise: float, rate: float, steps: int, windows: int
) -> None:
    spends = [Spend(noise, rate, steps)]
    alone = epsilon_of(spends, 1e-5, "rdp")
    together = epsilon_of_group(spends, windows, 1e-5, "rdp")
    assert together >= alone * (1 - 1e-9)
    assert windows > 1 or together == alone


def test_without_sampling_a_group_is_the_gaussian_mechanism_of_its_sensitivity() -> None:
    """Two windows in every step move the sum by two clip norms: noise over two."""
    expected = epsilon_of([Spend(2.5, 1.0, 60)], 1e-5, "rdp")
    assert epsilon_of_group([Spend(5.0, 1.0, 60)], 2, 1e-5, "rdp") == pytest.approx(expected)


def together(*costs: tuple[float, float, int, int]) -> float:
    """Epsilon of (noise, rate, steps, windows), where each event meets a group of its own size."""
    rdp = sum(rdp_of_step(noise, rate, windows) * steps for noise, rate, steps, windows in costs)
    return epsilon_of_rdp(np.asarray(rdp), 1e-5)


@given(
    st.floats(0.5, 20), st.floats(0.01, 1), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 100), st.integers(1, 100),
)  # fmt: skip
def test_a_reading_in_two_blocks_costs_no_more_than_in_the_block_that_cost_most(
    noise: float, rate: float, first: int, second: int, rounds: int, others: int
) -> None:
    """One mechanism; the blocks took part in different rounds, which costs most."""
    apart = together((noise, rate, rounds, first), (noise, rate, others, second))
    within = together((noise, rate, max(rounds, others), first + second))
    assert apart <= within * (1 + 1e-6)


@given(
    st.floats(0.5, 20), st.floats(0.5, 20), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 100), st.integers(1, 100),
)  # fmt: skip
def test_without_sampling_also_under_different_noise(
    noise: float, another: float, first: int, second: int, rounds: int, others: int
) -> None:
    """As where held-out windows share a reading with training ones."""
    apart = together((noise, 1.0, rounds, first), (another, 1.0, others, second))
    all_in = first + second
    within = max(together((noise, 1.0, rounds, all_in)), together((another, 1.0, others, all_in)))
    assert apart <= within * (1 + 1e-6)


def test_a_sampled_reading_costs_what_the_mixture_of_its_windows_costs() -> None:
    """Two windows of a reading, each drawn with 0.1: never 2 clip norms with 0.19, as they were."""
    noise = calibrate_noise(8.0, 1e-5, 0.1, 300, "rdp")
    spends = [Spend(noise, 0.1, 300)]
    always_both = epsilon_of([Spend(noise / 2, 0.19, 300)], 1e-5, "rdp")
    reading, numerical = (epsilon_of_group(spends, 2, 1e-5, name) for name in ("rdp", "prv"))
    assert always_both > 59
    assert reading == pytest.approx(18.7, abs=0.1)
    assert numerical == pytest.approx(17.3, abs=0.1)


def test_noise_for_a_reading_is_what_it_needs_and_no_more() -> None:
    facts = PlanningFacts(
        rounds=30, batch_size=8, local_epochs=1, windows_per_reading=2, sites=1,
        typical=80, largest=80,
    )  # fmt: skip
    node = {
        "clip_norm": 1.0, "noise_multiplier": None, "sampling_rate": 0.1, "delta": 1e-5,
        "epsilon": 8.0, "accountant": "rdp", "weights": "uniform", "unit": "reading",
        "site_windows": None, "windows_per_reading": 1,
    }  # fmt: skip
    privacy = WindowPrivacyPlan.from_config(node, facts)
    spent = epsilon_of_group([Spend(privacy.noise_multiplier, 0.1, 300)], 2, 1e-5, "rdp")
    assert 7.99 < spent <= 8.0
    always_both = 2 * calibrate_noise(8.0, 1e-5, 0.19, 300, "rdp")
    assert privacy.noise_multiplier < always_both / 1.8


def test_the_limit_applies_to_the_declared_unit(tmp_path: Path) -> None:
    rounds = {}
    for privacy in (WINDOW_PRIVACY, READING):
        limited = replace(privacy, epsilon_limit=30.0)
        ledger = Ledger(tmp_path / f"{privacy.unit}.sqlite", time.time, "site")
        answers = [
            ledger.debit([Charge(
                site="site", run="run", round=round_, plan="digest", privacy=limited,
                blocks=("monday",), repeatable=True,
            )])[0]
            for round_ in range(1, 60)
        ]  # fmt: skip
        rounds[privacy.unit] = sum(not isinstance(answer, Refusal) for answer in answers)
        ledger.close()
    assert 0 < rounds["reading"] < rounds["window"]


def test_the_server_shows_both_and_calls_the_declared_one_epsilon() -> None:
    for privacy in (WINDOW_PRIVACY, READING):
        tally = SpendTally(privacy)
        tally.charge(["a"])
        per = tally.epsilon_per()
        assert per["window"] < per["reading"]
        assert tally.epsilon() == per[privacy.unit]


def test_a_plan_with_a_reading_as_its_unit_travels() -> None:
    sent = plan(READING)
    assert RunPlan.from_json(sent.to_json()) == sent
