"""Details of an evaluation: what one window moves in all sums, and the noise that goes with it."""

import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fl_client.release import noised_counts
from fl_client.release.gateway import release_evaluation
from fl_common.privacy.evaluation import SENSITIVITY_WITH_DETAILS
from fl_common.vocabulary import Evaluation, Refusal
from tests.laws.test_evaluation import COUNTS, DEVICE, NOISED, asked, moved_by_one

DETAILED = replace(DEVICE, evaluation=replace(NOISED, details=True))


@given(st.integers(1, 40), st.integers(0, 39), st.floats(0, 1e6))
def test_with_details_one_window_moves_all_by_their_sensitivity(
    count: int, removed: int, scale: float
) -> None:
    moved = moved_by_one(DETAILED, count, removed, scale)
    assert len(moved) == 3 + 9
    assert math.hypot(*moved) <= SENSITIVITY_WITH_DETAILS * (1 + 1e-6)


def test_the_noise_of_details_is_that_of_their_sensitivity() -> None:
    normals = np.random.default_rng(0).standard_normal(12)
    exact = replace(COUNTS, details=(10.0, 10.0, 10.0, 3.0, 3.0, 1.0, 7.0, 0.0, 0.0))
    with patch.object(noised_counts, "standard_normals", lambda *_: normals):
        released = release_evaluation(exact, "anna", asked(DETAILED))
    assert isinstance(released, Evaluation)
    assert released.details == tuple(np.add(exact.details, np.rint(4.0 * normals[3:])))
    assert released.correct == np.rint(30 + 4.0 * normals[0])
    withheld = release_evaluation(replace(COUNTS, details=(99.0,) * 9), "anna", asked(DETAILED))
    assert isinstance(withheld, Refusal)
    without = release_evaluation(replace(COUNTS, details=()), "anna", asked(DETAILED))
    assert isinstance(without, Evaluation)
    assert len(without.details) == 9, "noise, as of a site without windows"
    none = release_evaluation(COUNTS, "anna", asked(DEVICE))
    assert isinstance(none, Evaluation)
    assert none.details == ()
