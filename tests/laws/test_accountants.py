"""Laws of the accountants: what may never lower an epsilon, and that each plan's can be had."""

import tracemalloc
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    AccountantName,
    Spend,
    calibrate_noise,
    epsilon_of,
    epsilon_of_group,
)

NAMES: tuple[AccountantName, ...] = get_args(AccountantName)
names = st.sampled_from(NAMES)
noises = st.floats(0.4, 50)
rates = st.one_of(st.just(1.0), st.floats(1e-4, 0.99))
deltas = st.sampled_from([1e-2, 1e-5, 1e-9, 1e-15])
steps_taken = st.integers(1, 3000)
groups = st.integers(1, 6)


def nearly(epsilon: float) -> float:
    """A little more: the grid of ``prv`` follows the plan, and two values have two errors."""
    return 1.004 * epsilon + 0.001


@settings(deadline=None)
@given(noises, rates, steps_taken, groups, deltas)
def test_numerical_composition_never_passes_rdp(
    noise: float, rate: float, steps: int, windows: int, delta: float
) -> None:
    rdp, prv = (
        epsilon_of_group([Spend(noise, rate, steps)], windows, delta, name)
        for name in ("rdp", "prv")
    )
    assert 0 <= prv <= rdp


@settings(deadline=None)
@given(names, noises, rates, steps_taken, groups, deltas, st.floats(1, 3))
def test_no_change_for_the_worse_costs_less(
    name: AccountantName, noise: float, rate: float, steps: int, windows: int, delta: float,
    factor: float,
) -> None:  # fmt: skip
    def cost(event: Spend, size: int = windows, at: float = delta) -> float:
        return epsilon_of_group([event], size, at, name)

    base, event = cost(Spend(noise, rate, steps)), Spend(noise, rate, steps)
    assert base <= nearly(cost(Spend(noise / factor, rate, steps)))
    assert base <= nearly(cost(Spend(noise, min(1.0, rate * factor), steps)))
    assert base <= nearly(cost(Spend(noise, rate, round(steps * factor))))
    assert base <= nearly(cost(event, windows + 1))
    assert base <= nearly(cost(event, at=delta / factor))


@settings(deadline=None)
@example("prv", 9.0, 1.25, 1e-4, 1e-4, 41, 86, 1e-9)  # far below RDP's bound
@given(names, noises, noises, rates, rates, steps_taken, steps_taken, deltas)
def test_two_plans_cost_more_than_either_and_order_is_nothing(
    name: AccountantName, noise: float, other: float, rate: float, second: float, steps: int,
    later: int, delta: float,
) -> None:  # fmt: skip
    one, two = Spend(noise, rate, steps), Spend(other, second, later)
    both = epsilon_of([one, two], delta, name)
    assert both == epsilon_of([two, one], delta, name)
    assert nearly(both) >= max(epsilon_of([one], delta, name), epsilon_of([two], delta, name))


@settings(deadline=None, max_examples=60)
@given(
    names,
    st.floats(1e-6, 1e4),
    st.floats(0, 1, exclude_min=True),
    st.integers(1, 10**14),
    st.integers(1, 10_000),
    st.floats(1e-15, 0.5),
)
def test_every_plan_that_is_accepted_has_an_epsilon_in_little_memory(
    name: AccountantName, noise: float, rate: float, steps: int, windows: int, delta: float
) -> None:
    tracemalloc.start()
    try:
        assert epsilon_of_group([Spend(noise, rate, steps)], windows, delta, name) >= 0
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=30)
@given(names, st.floats(0.01, 1e3), deltas, rates, st.integers(1, 10**5), groups)
def test_noise_meets_its_limit_or_one_line_says_that_none_does(
    name: AccountantName, epsilon: float, delta: float, rate: float, steps: int, windows: int
) -> None:
    largest = epsilon_of_group([Spend(1e4, rate, steps)], windows, delta, name)
    if largest > epsilon:
        with pytest.raises(InvalidConfiguration, match="can't be kept"):
            calibrate_noise(epsilon, delta, rate, steps, name, windows)
        return
    noise = calibrate_noise(epsilon, delta, rate, steps, name, windows)
    spent = epsilon_of_group([Spend(noise, rate, steps)], windows, delta, name)
    with_less = epsilon_of_group([Spend(0.99 * noise, rate, steps)], windows, delta, name)
    assert spent <= epsilon
    assert noise < 0.01 or nearly(with_less) > epsilon


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 1000.0])
def test_small_and_large_limits_have_their_noise(name: AccountantName, epsilon: float) -> None:
    """Orders of RDP up to 63 alone can't show an epsilon below 0.103 at this delta."""
    noise = calibrate_noise(epsilon, 1e-5, 1.0, 30, name)
    spent = epsilon_of([Spend(noise, 1.0, 30)], 1e-5, name)
    assert 0.98 * epsilon < spent <= epsilon
