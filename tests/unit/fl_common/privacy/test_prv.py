"""Numerical composition against closed forms, and what one hostile plan may cost."""

import math
import tracemalloc

import pytest
from opacus.accountants.prv import PRVAccountant

from fl_common.privacy.accounting import AccountantName, Spend, epsilon_of, epsilon_of_group
from fl_common.privacy.losses import Losses, Step
from fl_common.privacy.prv import epsilon_of_losses


def delta_of_gaussian(epsilon: float, shift: float) -> float:
    """Balle and Wang (2018), theorem 8, for means that lie ``shift`` standard deviations apart."""

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return phi(shift / 2 - epsilon / shift) - math.exp(epsilon) * phi(-shift / 2 - epsilon / shift)


def delta_of_one_step(epsilon: float, noise: float, rate: float, *, is_removed: bool) -> float:
    """Of one sampled Gaussian, whose loss is monotone in what is released."""

    def above(edge: float, mean: float) -> float:
        return math.erfc((edge - mean) / noise / math.sqrt(2)) / 2

    ratio = math.exp(epsilon if is_removed else -epsilon)
    if ratio <= 1 - rate:
        return 0.0
    edge = noise**2 * math.log((ratio - 1 + rate) / rate) + 0.5
    plain, mixed = above(edge, 0.0), rate * above(edge, 1.0) + (1 - rate) * above(edge, 0.0)
    if is_removed:
        return mixed - math.exp(epsilon) * plain
    return (1 - plain) - math.exp(epsilon) * (1 - mixed)


@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize(("noise", "steps", "windows"), [(2.0, 1, 1), (5.0, 60, 1), (30.0, 90, 3)])
def test_gaussians_that_are_not_sampled_compose_to_the_exact_curve(
    noise: float, steps: int, windows: int, delta: float
) -> None:
    epsilon = epsilon_of_group([Spend(noise, 1.0, steps)], windows, delta, "prv")
    shift = windows * math.sqrt(steps) / noise
    assert delta_of_gaussian(epsilon, shift) <= delta < delta_of_gaussian(epsilon * 0.998, shift)


@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-9])
@pytest.mark.parametrize(("noise", "rate"), [(0.8, 0.01), (1.0, 0.3), (4.0, 0.9)])
def test_one_sampled_step_has_the_exact_epsilon(noise: float, rate: float, delta: float) -> None:
    epsilon = epsilon_of([Spend(noise, rate, 1)], delta, "prv")

    def exact(at: float) -> float:
        return max(delta_of_one_step(at, noise, rate, is_removed=way) for way in (True, False))

    assert exact(epsilon) <= delta
    assert epsilon == 0.0 or exact(epsilon * 0.995) > delta


def test_steps_of_different_plans_compose() -> None:
    """Gaussians again, where half are sampled with certainty but for a rounding error."""
    parts = [Spend(10.0, 1 - 1e-15, 50), Spend(20.0, 1.0, 200)]
    exact = epsilon_of([Spend(10.0, 1.0, 100)], 1e-5, "prv")
    assert epsilon_of(parts, 1e-5, "prv") == pytest.approx(exact, rel=2e-3)


def test_what_is_lost_below_delta_costs_nothing() -> None:
    """A step that draws its window, and shows it, less often than delta."""
    assert epsilon_of([Spend(0.3, 1e-9, 100)], 1e-5, "prv") == 0.0
    assert epsilon_of([Spend(0.3, 1e-9, 100)], 1e-5, "rdp") > 2.0


RUNS = [(1.0, 0.01, 1000), (1.0, 0.01, 10_000), (9.344, 0.1, 6000), (0.8, 0.001, 100_000)]
"""Noise, rate, steps: those of ``benchmarks/judges/accountants.py``."""


@pytest.mark.parametrize(("noise", "rate", "steps"), RUNS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_epsilon_lies_within_opacus_error(noise: float, rate: float, steps: int) -> None:
    opacus = PRVAccountant()
    opacus.history = [(noise, rate, steps)]
    highest = opacus.get_epsilon(1e-5, eps_error=0.01)  # its estimate, and its error
    assert highest - 0.02 < epsilon_of([Spend(noise, rate, steps)], 1e-5, "prv") < highest


def test_a_run_puts_its_step_on_few_grids() -> None:
    """One epsilon a round, as a ledger and a server ask for them: 300 grids would be slow."""
    before = Losses.both_ways.cache_info().misses
    for round_ in range(1, 301):
        epsilon_of([Spend(7.77, 0.1, 3 * round_)], 1e-5, "prv")
    assert Losses.both_ways.cache_info().misses - before < 20


def test_an_epsilon_does_not_depend_on_those_before_it() -> None:
    event = (1.1, 0.02, 2, 777)
    fresh = epsilon_of_losses([event], 1e-5, 30.0)
    for steps in range(700, 1100, 50):
        epsilon_of_losses([(1.1, 0.02, 2, steps), (3.0, 0.5, 1, steps)], 1e-5, 30.0)
    assert epsilon_of_losses([event], 1e-5, 30.0) == fresh


@pytest.mark.parametrize("rate", [1e-4, 0.02])
def test_what_is_left_out_of_a_group_is_counted_as_lost(rate: float) -> None:
    step = Step(1.5, rate, 64, 1024)
    mixed_N, plain_N, _ = step.cells(1e-5)
    assert 1e-14 < 1 - mixed_N.sum() <= 2 * step.lost(1e-5)
    assert 1 - plain_N.sum() <= step.lost(1e-5)
    removed, added = Losses.both_ways(step, 1e-5, 0.001)
    assert removed.lost >= 1 - mixed_N.sum()
    assert added.lost >= 1 - plain_N.sum()


HOSTILE = [
    (1.0, 1e-6, 10**11, 8, 1e-15),
    (1.0, 1e-3, 10**6, 3, 1e-2),
    (1e-6, 1e-9, 10**14, 1, 1e-15),
    (1e4, 0.5, 10**14, 1, 1e-15),
    (1e4, 1e-6, 10**14, 10_000, 0.5),
    (0.5, 0.1, 10**6, 64, 1e-15),
]
"""Noise, rate, steps, windows, delta. Opacus' PRV asks for up to 210 GiB for such."""


@pytest.mark.parametrize("name", ["rdp", "prv"])
@pytest.mark.parametrize(("noise", "rate", "steps", "windows", "delta"), HOSTILE)
def test_no_plan_takes_more_than_some_memory(
    noise: float, rate: float, steps: int, windows: int, delta: float, name: AccountantName
) -> None:
    tracemalloc.start()
    try:
        assert epsilon_of_group([Spend(noise, rate, steps)], windows, delta, name) >= 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20
