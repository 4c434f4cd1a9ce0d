"""Quantiles by noised histograms: a window moves little, much data tell, few do no harm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fl_common.privacy.quantiles import (
    BINS,
    Reading,
    Scale,
    first_edges,
    quantile_of,
    read,
    scale_of,
    sensitivity,
    total_of,
    votes,
)
from fl_common.vocabulary import Doubles

ANY = st.floats(width=32)
FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
PHASES, NOISE_AT_HALF = 4, 14.6
"""The noise multiplier of four releases that cost epsilon 0.5 together."""


@given(
    arrays.arrays(np.float32, (5, 3, 4), elements=ANY),
    arrays.arrays(np.float32, (4, BINS - 1), elements=FINITE),
    st.integers(0, 4),
)
def test_one_window_moves_the_votes_by_the_sensitivity_at_most(
    values_NVC: Doubles, edges_CE: Doubles, left_out: int
) -> None:
    """Whatever the readings are, and whatever bins a server asks for, in no order too."""
    without = np.delete(values_NVC, left_out, axis=0)
    moved_CB = votes(values_NVC, edges_CE) - votes(without, edges_CE)
    assert np.linalg.norm(moved_CB) <= sensitivity(4) + 1e-9


def test_edges_without_order_give_each_value_the_bin_that_it_has_alone() -> None:
    """NumPy's search goes on from the value before, so that a window could move all others."""
    edges_CE = np.ones((1, BINS - 1))
    edges_CE[0, 14], edges_CE[0, 27] = -1.0, 0.0
    values_NVC = np.full((1000, 1, 1), -1.0)
    with_one = values_NVC.copy()
    with_one[1] = 0.0
    moved_CB = votes(with_one, edges_CE) - votes(values_NVC, edges_CE)
    assert np.abs(moved_CB).sum() == 2.0
    alone_CB = sum((votes(one[None], edges_CE) for one in with_one), np.zeros((1, BINS)))
    assert np.array_equal(votes(with_one, edges_CE), alone_CB)


def survey(values_NC: Doubles, noise: float, seed: int = 0) -> list[Scale | None]:
    """What four histograms tell, each with noise of that deviation on a count."""
    generator = np.random.default_rng(seed)
    edges_CE = first_edges(values_NC.shape[1])
    readings: list[list[Reading | None]] = [[] for _ in edges_CE]
    for _ in range(PHASES):
        counts_CB = votes(values_NC[:, None, :], edges_CE)
        counts_CB += noise * generator.standard_normal(counts_CB.shape)
        total = total_of(counts_CB)
        for channel, known in enumerate(readings):
            found = read(counts_CB[channel], edges_CE[channel], noise, total)
            known.append(found)
            if found is not None:
                edges_CE[channel] = found.edges
    return [scale_of(known) for known in readings]


def test_much_data_of_any_unit_and_offset_tell_median_and_spread() -> None:
    generator, channels, sites = np.random.default_rng(1), 12, 10
    spread_C = 10.0 ** np.linspace(-3, 4, channels)
    center_C = spread_C * generator.uniform(-100, 100, channels)
    values_NC = center_C + spread_C * generator.standard_normal((20_000, channels))
    noise = NOISE_AT_HALF * sensitivity(channels) * math.sqrt(sites)
    for found, center, spread in zip(survey(values_NC, noise), center_C, spread_C, strict=True):
        assert found is not None
        assert abs(found.center - center) < spread / 2
        assert spread / 2 < found.spread < 2 * spread
        assert not found.is_rough


def test_little_data_tell_nothing_rather_than_something_wrong() -> None:
    values_NC = np.random.default_rng(2).normal(1000.0, 1.0, (60, 30))
    for seed in range(20):
        assert survey(values_NC, NOISE_AT_HALF * sensitivity(30), seed) == [None] * 30


@pytest.mark.parametrize("windows", [1000, 20_000])
def test_a_spread_that_noise_has_far_off_is_not_taken_for_known(windows: int) -> None:
    channels, sites, seeds = 20, 5, 3
    generator = np.random.default_rng(5)
    spread_C = 10.0 ** generator.uniform(-3, 4, channels)
    center_C = spread_C * generator.uniform(-100, 100, channels)
    values_NC = center_C + spread_C * generator.standard_normal((windows, channels))
    noise = NOISE_AT_HALF * sensitivity(channels) * math.sqrt(sites)
    found = [
        (scale, max(scale.spread / spread, spread / scale.spread))
        for seed in range(seeds)
        for scale, spread in zip(survey(values_NC, noise, seed), spread_C, strict=True)
        if scale is not None
    ]
    known = [factor for scale, factor in found if not (scale.is_noisy or scale.is_rough)]
    assert sum(factor > 3 for factor in known) <= 0.02 * channels * seeds
    if windows == 20_000:
        assert len(known) > 0.8 * channels * seeds
    else:
        assert sum(factor > 3 for _, factor in found) > 0.2 * len(found), "there is what to say"


def test_values_beyond_the_outermost_edges_tell_nothing() -> None:
    values_NC = np.random.default_rng(4).normal([7e11, -7e11], 1e11, (20_000, 2))
    assert survey(values_NC, 10.0) == [None, None]


def test_noise_alone_tells_nothing() -> None:
    nothing = np.empty((0, 40))
    assert all(found is None for seed in range(20) for found in survey(nothing, 1.0, seed))


def test_a_constant_keeps_its_order_of_magnitude_and_zero_stays_as_declared() -> None:
    values_NC = np.column_stack([np.full(5000, 518.67), np.zeros(5000)])
    constant, zero = survey(values_NC, 10.0)
    assert constant is not None
    assert constant.center == pytest.approx(518.67, rel=0.01)
    assert constant.spread > 100
    assert constant.is_rough
    assert zero is None


def test_readings_of_a_window_share_its_vote_and_those_that_are_no_numbers_have_none() -> None:
    values_NVC = np.array([[[1.0], [np.nan], [-1.0], [np.inf]]])
    counts_B = votes(values_NVC, first_edges(1))[0]
    assert sorted(counts_B[counts_B > 0]) == [0.25, 0.25]


def test_a_quantile_is_read_from_votes_on_fixed_bins() -> None:
    generator = np.random.default_rng(0)
    values_N = generator.normal(0.0, 1.0, 20_000)
    edges_E = np.linspace(-6, 6, 47)
    counts_B = votes(values_N[:, None, None], edges_E[None])[0]
    for share in (0.5, 0.9, 0.95, 0.99):
        found = quantile_of(counts_B, edges_E, 0.0, share)
        assert found == pytest.approx(np.quantile(values_N, share), abs=0.05)
        noised_B = counts_B + generator.normal(0, 30, len(counts_B))
        noised = quantile_of(noised_B, edges_E, 30.0, share)
        assert noised is not None
        assert abs((values_N < noised).mean() - share) < 0.02


def test_votes_that_noise_explains_tell_no_quantile() -> None:
    edges_E = np.linspace(-6, 6, 47)
    for seed in range(200):
        noise_B = np.random.default_rng(seed).normal(0, 30, 48)
        assert quantile_of(noise_B, edges_E, 30.0, 0.95) is None
    assert quantile_of(np.zeros(48), edges_E, 0.0, 0.95) is None
