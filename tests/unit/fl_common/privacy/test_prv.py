"""Numerical composition against closed forms, and what one hostile plan may cost."""

import math
import tracemalloc

import pytest

from fl_common.privacy.accounting import AccountantName, Spend, epsilon_of, epsilon_of_group


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
