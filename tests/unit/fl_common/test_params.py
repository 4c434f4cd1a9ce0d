"""Arithmetic on parameters: what large arrays must not change."""

import tracemalloc

import numpy as np
import pytest

from fl_common import params

VALUES = np.random.default_rng(0).normal(size=(700, 300)).astype(np.float32)


def test_the_norm_of_many_blocks_is_numpys() -> None:
    parameters = {"w": VALUES, "v": VALUES.T, "b": np.array(3.0, np.float32)}
    flat = np.concatenate([array.ravel() for array in parameters.values()]).astype(np.float64)
    assert params.norm(parameters) == pytest.approx(float(np.linalg.norm(flat)), rel=1e-12)
    assert params.norm({}) == 0.0
    assert params.norm({"w": np.full(3, 3e38, np.float32)}) == pytest.approx(3e38 * 3**0.5)


@pytest.mark.parametrize("place", [(0, 0), (218, 135), (218, 136), (699, 299)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_entry_that_is_not_finite_is_found(place: tuple[int, int], value: float) -> None:
    bad = VALUES.copy()
    bad[place] = value
    assert params.is_finite({"w": VALUES})
    assert not params.is_finite({"w": VALUES, "v": bad})
    assert not np.isfinite(params.norm({"v": bad}))


def test_neither_needs_a_copy_of_a_large_array() -> None:
    large = {"w": np.zeros(4 * 2**20, np.float32)}
    tracemalloc.start()
    try:
        assert params.is_finite(large)
        assert params.norm(large) == 0.0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20
