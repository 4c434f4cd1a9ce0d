"""What must hold for every round, whatever the sites send."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import Aggregator, BadUpdate
from fl_server.aggregation.mean import WeightedMean
from fl_server.aggregation.robust import CoordinateMedian, TrimmedMean

VALUES = st.floats(-1e6, 1e6, width=32)
WEIGHTS = st.floats(0.01, 1000.0)
SHARES = st.floats(0.0, 0.5, exclude_max=True)


def one_update(weights: st.SearchStrategy[float] = WEIGHTS) -> st.SearchStrategy[LocalUpdate]:
    deltas = st.fixed_dictionaries(
        {
            "w": arrays.arrays(np.float32, (3,), elements=VALUES),
            "b": arrays.arrays(np.float32, (), elements=VALUES),
        }
    )
    return st.builds(LocalUpdate, st.just("a"), st.just("run"), st.just(1), deltas, weights)


ROUNDS = st.lists(one_update(), min_size=1, max_size=7)
AGGREGATORS: st.SearchStrategy[Aggregator] = st.one_of(
    st.just(WeightedMean()), st.just(CoordinateMedian()), st.builds(TrimmedMean, SHARES)
)


def folded(aggregator: Aggregator, updates: list[LocalUpdate]) -> Parameters:
    fold = aggregator.start(updates[0].delta)
    for update in updates:
        fold.add(update)
    return fold.result()


def stacked(updates: list[LocalUpdate], name: str) -> np.ndarray[tuple[int, ...], np.dtype]:
    return np.stack([update.delta[name] for update in updates]).astype(np.float64)


@given(AGGREGATORS, ROUNDS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    aggregator: Aggregator, updates: list[LocalUpdate], random: Random
) -> None:
    shuffled = list(updates)
    random.shuffle(shuffled)
    left, right = folded(aggregator, updates), folded(aggregator, shuffled)
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=1e-6, atol=1e-6)


@given(AGGREGATORS, one_update(), st.lists(WEIGHTS, min_size=1, max_size=7))
def test_the_mean_of_equal_updates_is_the_update(
    aggregator: Aggregator, update: LocalUpdate, weights: list[float]
) -> None:
    equal = [LocalUpdate("a", "run", 1, update.delta, weight) for weight in weights]
    result = folded(aggregator, equal)
    for name, array in update.delta.items():
        np.testing.assert_allclose(result[name], array, rtol=1e-6)


@given(AGGREGATORS, ROUNDS, st.sampled_from([-4.0, -1.0, 0.25, 8.0]))
def test_scaled_updates_give_the_scaled_result(
    aggregator: Aggregator, updates: list[LocalUpdate], factor: float
) -> None:
    scaled = [
        LocalUpdate(
            "a", "run", 1, {n: x * np.float32(factor) for n, x in u.delta.items()}, u.weight
        )
        for u in updates
    ]
    left, right = folded(aggregator, updates), folded(aggregator, scaled)
    for name in left:
        np.testing.assert_allclose(left[name] * factor, right[name], rtol=1e-5, atol=1e-4)


@given(ROUNDS, st.floats(0.01, 100.0))
def test_only_the_ratio_of_weights_counts(updates: list[LocalUpdate], factor: float) -> None:
    heavier = [LocalUpdate(u.site, u.run, 1, u.delta, u.weight * factor) for u in updates]
    left, right = folded(WeightedMean(), updates), folded(WeightedMean(), heavier)
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=1e-6, atol=1e-6)


@given(ROUNDS)
def test_the_weighted_mean_is_numpys_average(updates: list[LocalUpdate]) -> None:
    weights = [update.weight for update in updates]
    for name, mean in folded(WeightedMean(), updates).items():
        expected = np.average(stacked(updates, name), axis=0, weights=weights)
        np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-6)


@given(ROUNDS)
def test_the_median_is_numpys_median(updates: list[LocalUpdate]) -> None:
    for name, median in folded(CoordinateMedian(), updates).items():
        expected = np.median(stacked(updates, name), axis=0)
        np.testing.assert_array_equal(median, expected.astype(np.float32))


@given(st.lists(one_update(st.just(1.0)), min_size=1, max_size=7))
def test_a_trimmed_mean_that_trims_nothing_is_the_mean(updates: list[LocalUpdate]) -> None:
    trimmed, mean = folded(TrimmedMean(0.0), updates), folded(WeightedMean(), updates)
    for name in mean:
        np.testing.assert_allclose(trimmed[name], mean[name], rtol=1e-6, atol=1e-6)


@given(AGGREGATORS, ROUNDS)
def test_no_result_leaves_the_range_of_the_updates(
    aggregator: Aggregator, updates: list[LocalUpdate]
) -> None:
    for name, result in folded(aggregator, updates).items():
        values = stacked(updates, name)
        slack = 1e-6 * np.abs(values).max()
        assert np.all(result >= values.min(axis=0) - slack)
        assert np.all(result <= values.max(axis=0) + slack)


@given(
    st.integers(3, 9).flatmap(
        lambda n: st.tuples(
            st.lists(one_update(), min_size=n, max_size=n), st.integers(0, (n - 1) // 2)
        )
    ),
    st.sampled_from([-1e30, 1e30]),
)
def test_as_many_liars_as_are_trimmed_move_nothing_out_of_the_honest_range(
    case: tuple[list[LocalUpdate], int], lie: float
) -> None:
    updates, liars = case
    lies = [
        LocalUpdate("liar", "run", 1, {n: np.full_like(x, lie) for n, x in u.delta.items()}, 1000.0)
        for u in updates[:liars]
    ]
    honest = updates[liars:]
    for aggregator in (TrimmedMean(liars / len(updates)), CoordinateMedian()):
        for name, result in folded(aggregator, lies + honest).items():
            values = stacked(honest, name)
            slack = 1e-6 * np.abs(values).max()
            assert np.all(result >= values.min(axis=0) - slack)
            assert np.all(result <= values.max(axis=0) + slack)


@given(AGGREGATORS, ROUNDS, st.data())
def test_bad_updates_anywhere_leave_the_result_to_the_bit(
    aggregator: Aggregator, updates: list[LocalUpdate], data: st.DataObject
) -> None:
    fold = aggregator.start(updates[0].delta)
    for update in updates:
        if data.draw(st.booleans()):
            array = update.delta["w"].copy()
            array[data.draw(st.integers(0, 2))] = data.draw(st.sampled_from([np.nan, -np.inf]))
            try:
                fold.add(LocalUpdate("bad", "run", 1, {**update.delta, "w": array}, 1.0))
            except BadUpdate:
                pass
            else:
                raise AssertionError("a bad update was counted")
        fold.add(update)
    assert fold.count == len(updates)
    for name, expected in folded(aggregator, updates).items():
        np.testing.assert_array_equal(fold.result()[name], expected)
