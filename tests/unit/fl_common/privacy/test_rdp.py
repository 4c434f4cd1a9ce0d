"""Our RDP against Opacus' and against integrals: the same mechanism, the same numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
from opacus.accountants.analysis import rdp as judge
from scipy.integrate import quad

from fl_common.privacy.rdp import ORDERS, epsilon_of_rdp, rdp_of_step

ROOT = math.sqrt(2 * math.pi)
SOME_ORDERS = 151
"""Those that Opacus has, too: its sums over larger ones take long."""
SOME = ORDERS[:SOME_ORDERS:5]

CASES = [
    (noise, rate)
    for noise in (0.5, 0.8, 1.0, 1.3, 4.0, 20.0)
    for rate in (1e-4, 0.004, 0.1, 0.5, 0.9, 1.0)
]


@pytest.mark.parametrize(("noise", "rate"), CASES)
def test_every_order_agrees_with_opacus(noise: float, rate: float) -> None:
    theirs = judge.compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=SOME.tolist())
    ours, near = rdp_of_step(noise, rate)[:SOME_ORDERS:5], SOME / noise <= 64
    np.testing.assert_allclose(ours[near], np.asarray(theirs)[near], rtol=1e-6, atol=1e-11)
    assert (ours >= np.asarray(theirs) * (1 - 1e-6) - 1e-11).all()


def divergence(noise: float, rate: float, windows: int, order: float) -> float:
    """The larger of those of the binomial mixture from the Gaussian, and the other way round."""

    def log_density(x: float) -> float:
        terms = [
            math.log(math.comb(windows, j)) + j * math.log(rate) + (windows - j) * math.log1p(-rate)
            + (j * x - j * j / 2) / noise**2
            for j in range(windows + 1)
        ]  # fmt: skip
        most = max(terms)
        return most + math.log(sum(math.exp(term - most) for term in terms))

    def moment(power: float) -> float:
        def value(x: float) -> float:
            return math.exp(power * log_density(x) - x * x / 2 / noise**2) / noise / ROOT

        ends = sorted((0.0, power * windows))
        parts = np.linspace(ends[0] - 12 * noise, ends[1] + 12 * noise, 40)
        return float(sum(quad(value, *part, epsrel=1e-10)[0] for part in pairwise(parts)))

    return max(math.log(moment(order)), math.log(moment(1 - order))) / (order - 1)


@pytest.mark.parametrize("windows", [1, 2, 5])
@pytest.mark.parametrize(("noise", "rate"), [(0.4, 0.05), (1.0, 0.3), (6.0, 0.01), (30.0, 0.7)])
def test_a_group_costs_the_larger_of_two_integrals(noise: float, rate: float, windows: int) -> None:
    ours = rdp_of_step(noise, rate, windows)
    near = [order for order in (1.5, 2.0, 3.7, 6.0) if order * windows / noise <= 32]
    for order in near:
        exact = divergence(noise, rate, windows, order)
        found = ours[np.argmin(np.abs(ORDERS - order))]
        assert found == pytest.approx(exact, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("windows", [65, 130])
@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_a_large_group_costs_a_little_more_than_the_integrals(rate: float, windows: int) -> None:
    found = rdp_of_step(60.0, rate, windows)[np.argmin(np.abs(ORDERS - 2.0))]
    exact = divergence(60.0, rate, windows, 2.0)
    assert exact < found < (3.0 if rate == 0.02 else 1.2) * exact


@pytest.mark.parametrize(("noise", "rate"), [(5.0, 0.1), (20.0, 0.3), (100.0, 0.01)])
def test_a_larger_group_costs_no_less(noise: float, rate: float) -> None:
    costs = [rdp_of_step(noise, rate, windows) for windows in (*range(60, 70), 128, 129, 200)]
    assert all((one <= other * (1 + 1e-12)).all() for one, other in pairwise(costs))


def test_far_orders_and_the_largest_groups_have_simpler_bounds() -> None:
    assert (rdp_of_step(0.01, 0.3) == ORDERS / 2 * 100.0**2).all()
    as_one = rdp_of_step(5000.0 / 4097, -math.expm1(4097 * math.log1p(-0.01)))
    assert (rdp_of_step(5000.0, 0.01, 4097) == as_one).all()
    assert (rdp_of_step(5000.0, 0.01, 4096) <= as_one).all()


@pytest.mark.filterwarnings("ignore:Optimal order")
@pytest.mark.parametrize(
    ("noise", "rate", "steps"), [(1.0, 0.1, 100), (5.0, 1.0, 60), (0.6, 0.004, 9000)]
)
def test_epsilon_agrees_with_opacus(noise: float, rate: float, steps: int) -> None:
    ours = rdp_of_step(noise, rate) * steps
    theirs, _ = judge.get_privacy_spent(orders=ORDERS.tolist(), rdp=ours, delta=1e-5)
    assert epsilon_of_rdp(ours, 1e-5) == pytest.approx(theirs, rel=1e-12)


def test_nothing_spent_is_epsilon_zero_at_any_delta() -> None:
    assert epsilon_of_rdp(np.zeros_like(ORDERS), 0.5) == 0.0
