"""Our masses of normal intervals against SciPy's."""

import numpy as np
from scipy.special import log_ndtr, ndtr

from fl_common.privacy.normal import normal_mass


def test_masses_keep_their_digits_in_both_tails() -> None:
    edges = np.linspace(-37, 37, 3001)
    ours = normal_mass(edges)
    assert ours.sum() == 1.0
    np.testing.assert_allclose(ours, ours[::-1], rtol=1e-10)
    left = edges[:-1] < 0
    lower, upper = log_ndtr(edges[:-1][left]), log_ndtr(edges[1:][left])
    np.testing.assert_allclose(ours[left], np.exp(upper) * -np.expm1(lower - upper), rtol=1e-9)


def test_wide_and_far_intervals() -> None:
    found = normal_mass(np.array([-np.inf, -1.0, 2.0, 50.0, 60.0]))
    np.testing.assert_allclose(found, [ndtr(-1), ndtr(2) - ndtr(-1), ndtr(-2), 0], rtol=1e-14)
