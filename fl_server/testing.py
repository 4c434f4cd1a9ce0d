"""Checks of the aggregator and server-optimiser contracts, for their authors' own tests.

Only for tests: a failing assertion explains what is wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fl_common.errors import RunFailed
from fl_common.plugins.kinds import AGGREGATOR, OPTIMISER, check_extension
from fl_common.vocabulary import Floats, LocalUpdate, Parameters
from fl_server.aggregation import Aggregator, BadUpdate, Fold
from fl_server.optimisers import ServerOptimiser

_SHAPES: dict[str, tuple[int, ...]] = {"layer.weight": (3, 4), "layer.bias": (3,), "scale": ()}


def check_aggregator(aggregator: Aggregator) -> None:
    """Check an aggregator's folds: empty, in any order, and with invalid updates.

    Raises:
        AssertionError: a check failed.
        InvalidConfiguration: it is not an aggregator.
    """
    check_extension(AGGREGATOR, aggregator)
    updates = [_update(number) for number in range(5)]
    _check_empty(aggregator)
    _check_bad_updates(aggregator, updates)
    forwards, backwards = _folded(aggregator, updates), _folded(aggregator, updates[::-1])
    _check_like_parameters("the result", forwards, _parameters(0))
    for name, array in forwards.items():
        assert np.allclose(array, backwards[name], rtol=1e-5, atol=1e-6), (
            f"the result depends on the order in which updates arrive ({name})"
        )


def check_server_optimiser(optimiser: ServerOptimiser) -> None:
    """Check an optimiser's steps: pure, repeatable, in float32, and refused when they overflow.

    Raises:
        AssertionError: a check failed.
        InvalidConfiguration: it is not an optimiser.
    """
    check_extension(OPTIMISER, optimiser)
    parameters, delta = _parameters(1), _parameters(2)
    state = optimiser.initial(parameters)
    kept = [_copied(part) for part in (parameters, delta, *state.values())]
    moved, after = optimiser.step(parameters, delta, state)
    again, _ = optimiser.step(parameters, delta, state)
    now = [parameters, delta, *state.values()]
    assert all(map(_equal, kept, now)), "a step changes its arguments"
    assert _equal(moved, again), "the same step gives another result: it must depend on nothing"
    assert after.keys() == state.keys(), "the state has other slots after a step than before it"
    for name, part in {"the result": moved, **after}.items():
        _check_like_parameters(name, part, parameters)
    huge: Parameters = {name: np.full_like(array, 3e38) for name, array in parameters.items()}
    try:
        for _ in range(100):
            huge, state = optimiser.step(huge, huge, state)
    except RunFailed:
        return
    assert all(np.isfinite(array).all() for array in huge.values()), (
        "a step that overflows float32 must raise RunFailed: see fl_server.optimisers.checked"
    )


def _check_empty(aggregator: Aggregator) -> None:
    fold = aggregator.start(_parameters(0))
    assert fold.count == 0, f"an empty fold counts {fold.count} updates"
    try:
        fold.result()
    except RunFailed:
        return
    raise AssertionError("an empty fold has a result; it must raise RunFailed (check_any)")


def _check_bad_updates(aggregator: Aggregator, updates: Sequence[LocalUpdate]) -> None:
    """Each is left out completely, and the fold is as if it had not arrived."""
    expected = _folded(aggregator, updates)
    fold = aggregator.start(_parameters(0))
    bad = list(_bad_updates(updates[0]).items())
    for number, update in enumerate(updates):
        for what, unusable in bad:
            _check_left_out(fold, what, unusable, number)
        fold.add(update)
    assert _equal(fold.result(), expected), (
        "an update that was left out changes the result: check it as a whole first (check_update)"
    )


def _check_left_out(fold: Fold, what: str, update: LocalUpdate, count: int) -> None:
    try:
        fold.add(update)
    except BadUpdate:
        assert fold.count == count, f"an update with {what} is counted although it is left out"
        return
    raise AssertionError(f"an update with {what} is counted; it must raise BadUpdate")


def _bad_updates(good: LocalUpdate) -> dict[str, LocalUpdate]:
    delta = dict(good.delta)
    bias = delta["layer.bias"]
    wrong: dict[str, Parameters] = {
        "NaN": {**delta, "scale": np.asarray(np.nan, np.float32)},
        "infinity": {**delta, "layer.bias": np.full_like(bias, np.inf)},
        "an array of another shape": {**delta, "layer.bias": bias[:2]},
        "float64": {**delta, "layer.bias": _doubles(bias)},
        "an array missing": {name: array for name, array in delta.items() if name != "scale"},
        "an array too many": {**delta, "more": bias},
    }
    weights = {"weight 0": 0.0, "a negative weight": -1.0, "weight NaN": float("nan")}
    return {
        **{what: replace(good, delta=arrays) for what, arrays in wrong.items()},
        **{what: replace(good, weight=weight) for what, weight in weights.items()},
    }


def _doubles(array: Floats) -> Any:
    """Of a type that an update may not have."""
    return array.astype(np.float64)


def _folded(aggregator: Aggregator, updates: Sequence[LocalUpdate]) -> Parameters:
    fold = aggregator.start(_parameters(0))
    for number, update in enumerate(updates, 1):
        kept = _copied(update.delta)
        fold.add(update)
        assert _equal(kept, update.delta), "adding an update changes its arrays"
        assert fold.count == number, f"after {number} updates the fold counts {fold.count}"
    return fold.result()


def _check_like_parameters(what: str, found: Parameters, parameters: Parameters) -> None:
    assert found.keys() == parameters.keys(), f"{what} has other names than the parameters"
    for name, array in found.items():
        assert isinstance(array, np.ndarray), f"{what}: {name} is {type(array)}, not an array"
        assert array.shape == parameters[name].shape, f"{what}: {name} has shape {array.shape}"
        assert array.dtype == np.float32, f"{what}: {name} is {array.dtype}, not float32"


def _update(seed: int) -> LocalUpdate:
    return LocalUpdate(f"site-{seed}", "check", 1, _parameters(10 + seed), 1.0 + seed)


def _parameters(seed: int) -> Parameters:
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(generator.standard_normal(shape), dtype=np.float32)
        for name, shape in _SHAPES.items()
    }


def _copied(parameters: Parameters) -> Parameters:
    return {name: array.copy() for name, array in parameters.items()}


def _equal(left: Parameters, right: Parameters) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(array, right[name]) for name, array in left.items()
    )
