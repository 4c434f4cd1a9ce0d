"""Our RDP against Opacus': the same mechanism, the same numbers."""

import numpy as np
import pytest
from opacus.accountants.analysis import rdp as judge

from fl_common.privacy.rdp import ORDERS, epsilon_of_rdp, rdp_of_step

CASES = [
    (noise, rate)
    for noise in (0.5, 0.8, 1.0, 1.3, 4.0, 20.0)
    for rate in (1e-4, 0.004, 0.1, 0.5, 0.9, 1.0)
]


@pytest.mark.parametrize(("noise", "rate"), CASES)
def test_every_order_agrees_with_opacus(noise: float, rate: float) -> None:
    theirs = judge.compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=ORDERS[::5].tolist())
    np.testing.assert_allclose(rdp_of_step(noise, rate)[::5], theirs, rtol=1e-6, atol=1e-11)


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
