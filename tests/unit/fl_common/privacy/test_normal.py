"""Our logarithm of the normal distribution function against SciPy's."""

import numpy as np
from scipy.special import log_ndtr

from fl_common.privacy.normal import log_normal_cdf


def test_it_agrees_with_scipy_from_the_far_tail_to_one() -> None:
    x = np.concatenate([np.linspace(-60, 40, 20_001), -np.logspace(-300, 9, 2000)])
    ours, theirs = log_normal_cdf(x), log_ndtr(x)
    far = theirs < -1e-6
    np.testing.assert_allclose(ours[far], theirs[far], rtol=1e-14, atol=0)
    np.testing.assert_allclose(ours[~far], theirs[~far], rtol=0, atol=1e-16)


def test_it_rises_where_the_series_takes_over() -> None:
    x = np.linspace(-20.001, -19.999, 2001)
    assert (np.diff(log_normal_cdf(x)) > 0).all()


def test_its_ends_are_what_they_must_be() -> None:
    found = log_normal_cdf(np.array([np.inf, -np.inf, np.nan]))
    assert found[0] == 0
    assert found[1] == -np.inf
    assert np.isnan(found[2])
