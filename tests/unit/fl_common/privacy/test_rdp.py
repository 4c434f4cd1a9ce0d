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


@pytest.mark.parametrize("windows", [1, 2, 5])
@pytest.mark.parametrize(("noise", "rate"), [(0.4, 0.05), (1.0, 0.3), (6.0, 0.01), (30.0, 0.7)])
def test_a_group_costs_the_larger_of_two_integrals(noise: float, rate: float, windows: int) -> None:
    """Divergences of the binomial mixture from the Gaussian, and of the Gaussian from it."""

    def log_density(x: float) -> float:
        terms = [
            math.log(math.comb(windows, j) * rate**j * (1 - rate) ** (windows - j))
            + (j * x - j * j / 2) / noise**2
            for j in range(windows + 1)
        ]
        most = max(terms)
        return most + math.log(sum(math.exp(term - most) for term in terms))

    def moment(power: float) -> float:
        def value(x: float) -> float:
            return math.exp(power * log_density(x) - x * x / 2 / noise**2) / noise / ROOT

        ends = sorted((0.0, power * windows))
        parts = np.linspace(ends[0] - 12 * noise, ends[1] + 12 * noise, 40)
        return float(sum(quad(value, *part, epsrel=1e-10)[0] for part in pairwise(parts)))

    ours = rdp_of_step(noise, rate, windows)
    near = [order for order in (1.5, 2.0, 3.7, 6.0) if order * windows / noise <= 32]
    for order in near:
        exact = max(math.log(moment(order)), math.log(moment(1 - order))) / (order - 1)
        found = ours[np.argmin(np.abs(ORDERS - order))]
        assert found == pytest.approx(exact, rel=1e-6, abs=1e-9)


def test_far_orders_and_large_groups_have_the_bound_without_sampling() -> None:
    assert (rdp_of_step(0.01, 0.3) == ORDERS / 2 * 100.0**2).all()
    as_one = rdp_of_step(50.0 / 65, -math.expm1(65 * math.log1p(-0.01)))
    assert (rdp_of_step(50.0, 0.01, 65) == as_one).all()
    assert (rdp_of_step(50.0, 0.01, 64) < as_one).all()


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
