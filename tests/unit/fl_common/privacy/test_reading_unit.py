"""Windows that share readings: what a reading costs, shown and limited."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of, epsilon_of_group
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


@given(
    st.floats(0.5, 20), st.floats(0.01, 1), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 100), st.integers(1, 100),
)  # fmt: skip
def test_a_reading_in_two_blocks_costs_no_more_than_in_the_block_that_cost_most(
    noise: float, rate: float, first: int, second: int, rounds: int, others: int
) -> None:
    """One mechanism; the blocks took part in different rounds, which costs most."""
    apart = [
        Spend(noise, rate, rounds).of_group(first),
        Spend(noise, rate, others).of_group(second),
    ]
    fullest = [Spend(noise, rate, max(rounds, others))]
    within = epsilon_of_group(fullest, first + second, 1e-5, "rdp")
    assert epsilon_of(apart, 1e-5, "rdp") <= within * (1 + 1e-6)


@given(
    st.floats(0.5, 20), st.floats(0.5, 20), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 100), st.integers(1, 100),
)  # fmt: skip
def test_without_sampling_also_under_different_noise(
    noise: float, another: float, first: int, second: int, rounds: int, others: int
) -> None:
    """As where held-out windows share a reading with training ones."""
    blocks = [Spend(noise, 1.0, rounds)], [Spend(another, 1.0, others)]
    apart = [blocks[0][0].of_group(first), blocks[1][0].of_group(second)]
    within = max(epsilon_of_group(block, first + second, 1e-5, "rdp") for block in blocks)
    assert epsilon_of(apart, 1e-5, "rdp") <= within * (1 + 1e-6)


@pytest.mark.parametrize("windows", [2, 3])
@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.1), (2.0, 0.5)])
def test_the_bound_holds_against_numerical_integration(
    noise: float, rate: float, windows: int
) -> None:
    """One step's Rényi divergence at order 2, integrated for a binomial number of windows."""
    grid, spacing = np.linspace(-40, 60, 400_001, retstep=True)
    base = np.exp(-(grid**2) / (2 * noise**2)) / (noise * math.sqrt(2 * math.pi))
    mixture = sum(
        math.comb(windows, j) * rate**j * (1 - rate) ** (windows - j)
        * np.exp(-((grid - j) ** 2) / (2 * noise**2)) / (noise * math.sqrt(2 * math.pi))
        for j in range(windows + 1)
    )  # fmt: skip
    exact = math.log(float((mixture**2 / np.maximum(base, 1e-300)).sum()) * float(spacing))
    event = Spend(noise, rate, 1).of_group(windows)
    ours = math.log(1 + event.sampling_rate**2 * math.expm1(1 / event.noise_multiplier**2))
    assert exact <= ours * (1 + 1e-6)


def test_the_limit_applies_to_the_declared_unit(tmp_path: Path) -> None:
    rounds = {}
    for privacy in (WINDOW_PRIVACY, READING):
        limited = replace(privacy, epsilon_limit=30.0)
        ledger = Ledger(tmp_path / f"{privacy.unit}.sqlite", time.time, "site")
        answers = [
            ledger.debit([Charge(
                site="site", run="run", round=round_, plan="digest", privacy=limited,
                blocks=("monday",), windows=(32,), repeatable=True,
            )])[0]
            for round_ in range(1, 60)
        ]  # fmt: skip
        rounds[privacy.unit] = sum(not isinstance(answer, Refusal) for answer in answers)
        ledger.close()
    assert 0 < rounds["reading"] < rounds["window"]


def test_the_server_shows_both_and_calls_the_declared_one_epsilon() -> None:
    for privacy in (WINDOW_PRIVACY, READING):
        tally = SpendTally(privacy)
        tally.charge([1])
        per = tally.epsilon_per()
        assert per["window"] < per["reading"]
        assert tally.epsilon() == per[privacy.unit]


def test_a_plan_with_a_reading_as_its_unit_travels() -> None:
    sent = plan(READING)
    assert RunPlan.from_json(sent.to_json()) == sent
