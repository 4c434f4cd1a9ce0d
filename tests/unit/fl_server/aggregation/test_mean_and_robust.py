import pickle
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.vocabulary import Floats, LocalUpdate, Parameters
from fl_server.aggregation import Aggregator, BadUpdate
from fl_server.aggregation.mean import WeightedMean
from fl_server.aggregation.robust import CoordinateMedian, TrimmedMean
from fl_server.optimisers import ServerOptimiser
from fl_server.optimisers.adaptive import FedAdam
from fl_server.optimisers.averaging import FedAvg

AGGREGATORS: list[Aggregator] = [WeightedMean(), TrimmedMean(share=0.2), CoordinateMedian()]
MEGABYTE = 2**20


def floats(*values: float) -> Floats:
    return np.array(values, np.float32)


def update(*values: float, weight: float = 1.0, site: str = "a") -> LocalUpdate:
    delta = {"w": floats(*values[:-1]), "b": np.array(values[-1], np.float32)}
    return LocalUpdate(site, "run", 1, delta, weight)


GLOBAL = update(0.0, 0.0, 0.0).delta


def folded(aggregator: Aggregator, *updates: LocalUpdate) -> Parameters:
    fold = aggregator.start(GLOBAL)
    for one in updates:
        fold.add(one)
    assert fold.count == len(updates)
    return fold.result()


def test_mean_counts_each_site_by_its_weight() -> None:
    mean = folded(WeightedMean(), update(1, 2, 4), update(5, -2, 0, weight=3.0))
    np.testing.assert_array_equal(mean["w"], floats(4, -1))
    np.testing.assert_array_equal(mean["b"], np.float32(1))


def test_trimmed_mean_drops_the_extremes_of_each_coordinate() -> None:
    rows = [(100, 1, 0), (1, 100, 1), (2, 2, 2), (3, 3, 3), (-100, -100, 4)]
    mean = folded(TrimmedMean(share=0.2), *(update(*row) for row in rows))
    np.testing.assert_array_equal(mean["w"], floats(2, 2))
    np.testing.assert_array_equal(mean["b"], np.float32(2))


@pytest.mark.parametrize(
    ("share", "updates", "left"), [(0.1, 9, 9), (0.1, 10, 8), (0.29, 100, 42), (0.49, 3, 1)]
)
def test_trimmed_mean_cuts_the_share_rounded_down_at_either_end(
    share: float, updates: int, left: int
) -> None:
    squares = np.square(np.arange(updates, dtype=np.float64))
    cut = (updates - left) // 2
    mean = folded(TrimmedMean(share), *(update(square, 0, 0) for square in squares))
    np.testing.assert_allclose(mean["w"][0], squares[cut : updates - cut].mean(), rtol=1e-6)


def test_median_of_an_even_number_is_the_middle_of_two() -> None:
    median = folded(CoordinateMedian(), update(1, 9, 0), update(2, 5, 0, weight=1000.0))
    np.testing.assert_array_equal(median["w"], floats(1.5, 7))


@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=lambda some: type(some).__name__)
def test_result_has_the_dtype_names_and_shapes_of_the_parameters(aggregator: Aggregator) -> None:
    result = folded(aggregator, update(1, 2, 3))
    assert [(n, x.shape, x.dtype.name) for n, x in result.items()] == [
        ("w", (2,), "float32"),
        ("b", (), "float32"),
    ]


@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=lambda some: type(some).__name__)
def test_arrays_of_many_blocks_and_any_strides_are_folded_whole(aggregator: Aggregator) -> None:
    values = np.random.default_rng(0).normal(size=(3, 500, 401)).astype(np.float32)
    fold = aggregator.start({"w": values[0].T})
    for value in values:
        fold.add(LocalUpdate("a", "run", 1, {"w": value.T}, 1.0))
    reference = np.median if isinstance(aggregator, CoordinateMedian) else np.mean
    np.testing.assert_allclose(
        fold.result()["w"], reference(values.astype(np.float64), axis=0).T, rtol=1e-6, atol=1e-9
    )


BAD = {
    "is not finite": update(1, np.nan, 0),
    "not finite everywhere": update(1, 0, np.inf),
    "weight nan": update(1, 2, 3, weight=np.nan),
    "weight inf": update(1, 2, 3, weight=np.inf),
    "weight 0.0": update(1, 2, 3, weight=0.0),
    "weight -1.0": update(1, 2, 3, weight=-1.0),
    "weight 1e-300": update(1, 2, 3, weight=1e-300),
    "w has shape (3,), not (2,)": update(1, 2, 3, 4),
    "missing or unknown: b": LocalUpdate("a", "run", 1, {"w": np.zeros(2, np.float32)}, 1.0),
    "missing or unknown: c": LocalUpdate("a", "run", 1, {**GLOBAL, "c": GLOBAL["b"]}, 1.0),
    "w is float64, not float32": LocalUpdate(
        "a", "run", 1, {**GLOBAL, "w": np.zeros(2)},  # type: ignore[dict-item]
        1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", BAD)
@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=lambda some: type(some).__name__)
def test_a_bad_update_is_named_and_changes_nothing(aggregator: Aggregator, reason: str) -> None:
    fold = aggregator.start(GLOBAL)
    fold.add(update(1, 2, 3))
    with pytest.raises(BadUpdate, match="update of site a left out") as caught:
        fold.add(BAD[reason])
    assert reason in caught.value.reason
    assert fold.count == 1
    np.testing.assert_array_equal(fold.result()["w"], floats(1, 2))


def test_a_bad_update_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(BadUpdate("a", "late")))
    assert (error.site, error.reason, str(error)) == (
        "a",
        "late",
        "update of site a left out: late",
    )


@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=lambda some: type(some).__name__)
def test_a_round_without_updates_fails_clearly(aggregator: Aggregator) -> None:
    with pytest.raises(RunFailed, match="no site sent a usable update"):
        aggregator.start(GLOBAL).result()


def test_the_largest_updates_do_not_overflow() -> None:
    top = float(np.finfo(np.float32).max)
    for aggregator in AGGREGATORS:
        mean = folded(aggregator, update(top, 0, 0, weight=2.0**53), update(top, 0, 0))
        np.testing.assert_array_equal(mean["w"], floats(top, 0))


@pytest.mark.parametrize("share", [-0.1, 0.5, float("nan"), "much", None])
def test_a_share_outside_its_range_is_refused(share: object) -> None:
    with pytest.raises(InvalidConfiguration, match=r"strategy\.aggregator\.share=.*\[0, 0\.5\)"):
        TrimmedMean(share)  # type: ignore[arg-type]


def test_two_rounds_of_one_aggregator_do_not_mix() -> None:
    aggregator = WeightedMean()
    first, second = aggregator.start(GLOBAL), aggregator.start(GLOBAL)
    first.add(update(1, 2, 3))
    second.add(update(7, 7, 7))
    np.testing.assert_array_equal(first.result()["w"], floats(1, 2))
    first.add(update(3, 2, 3))
    np.testing.assert_array_equal(first.result()["w"], floats(2, 2))


def arriving(count: int, parameters: Parameters) -> Iterator[LocalUpdate]:
    for number in range(count):
        delta = {name: np.full_like(x, number) for name, x in parameters.items()}
        yield LocalUpdate(f"site-{number}", "run", 1, delta, 1.0 + number % 3)


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", [FedAvg(1.0), FedAdam(0.01, 0.9, 0.99, 1e-3)], ids=repr)
def test_fifty_updates_of_20_megabytes_fold_below_200(optimiser: ServerOptimiser) -> None:
    parameters = {"w": np.zeros((5, MEGABYTE), np.float32)}
    state = optimiser.initial(parameters)
    tracemalloc.start()
    try:
        fold = WeightedMean().start(parameters)
        for one in arriving(50, parameters):
            fold.add(one)
        optimiser.step(parameters, fold.result(), state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fold.count == 50
    assert 60 * MEGABYTE < peak < 200 * MEGABYTE


def test_memory_of_the_mean_does_not_grow_with_the_updates() -> None:
    parameters = {"w": np.zeros(MEGABYTE, np.float32)}
    peaks = []
    for count in (3, 30):
        tracemalloc.start()
        fold = WeightedMean().start(parameters)
        for one in arriving(count, parameters):
            fold.add(one)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_an_update_is_checked_and_added_in_blocks() -> None:
    parameters = {"w": np.zeros(4 * MEGABYTE, np.float32)}
    fold, one = WeightedMean().start(parameters), next(arriving(1, parameters))
    tracemalloc.start()
    try:
        fold.add(one)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTE


def test_an_update_is_bad_wherever_it_is_not_finite() -> None:
    values = np.zeros(200_000, np.float32)
    for place in (0, 65_535, 65_536, 199_999):
        bad = values.copy()
        bad[place] = np.nan
        fold = WeightedMean().start({"w": values})
        with pytest.raises(BadUpdate, match="w is not finite everywhere"):
            fold.add(LocalUpdate("a", "run", 1, {"w": bad}, 1.0))
