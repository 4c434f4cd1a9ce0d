"""Mironov 2012: the last bits of a noised number must not tell what was added to the noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.privacy.grid import GaussianGrid
from fl_common.privacy.noise import system_normals
from fl_common.vocabulary import Doubles

GRIDS = st.builds(
    GaussianGrid,
    st.floats(2.0**-20, 2.0**20),
    st.floats(2.0**-10, 2.0**13),
    st.integers(1, 10**8),
)


@given(GRIDS, st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_a_release_is_a_whole_number_of_steps_whatever_was_summed(
    grid: GaussianGrid, sums: list[float], seed: int
) -> None:
    normals = np.random.default_rng(seed).standard_normal(len(sums))
    released = grid.noised(np.array(sums) * grid.clip_norm, normals) / grid.step
    assert np.array_equal(released, np.rint(released))


@given(GRIDS, st.lists(st.floats(-9, 9), min_size=1, max_size=20), st.integers(-(2**40), 2**40))
def test_whole_numbers_with_noise_are_the_rounded_mechanism(
    grid: GaussianGrid, normals: list[float], whole: int
) -> None:
    # k + round(Z) = round(k + Z): the step of the proof that makes it post-processing.
    noise = np.array(normals) * grid.noise_steps
    sums = np.full(len(normals), float(whole))
    released = grid.noised(sums * grid.step, np.array(normals)) / grid.step
    assert (np.abs(released - (sums + noise)) <= 0.5 + 2.0**-6).all()


@given(GRIDS)
def test_the_leeway_covers_the_rounding_of_two_sums(grid: GaussianGrid) -> None:
    assert grid.step * np.sqrt(grid.size) <= 2.0**-18 * grid.clip_norm
    assert grid.bound + grid.step * np.sqrt(grid.size) < grid.clip_norm
    assert np.frexp(grid.step)[0] == 0.5, "a power of two, so that its multiples are exact"


@pytest.mark.parametrize("noised", ["on the grid", "in float32"])
def test_a_distinguisher_of_last_bits_tells_floats_apart_and_not_the_grid(noised: str) -> None:
    # The attacker's test of the fault: is the number a possible float32 product of noise alone?
    grid = GaussianGrid(1.0, 0.9, 20_000)
    signal = np.float32(1 / 3)

    def released(value: float) -> Doubles:
        normals = system_normals(grid.size)
        if noised == "on the grid":
            return grid.noised(np.full(grid.size, value), normals)
        deviation = np.float32(0.9)
        return (np.float32(value) + normals.astype(np.float32) * deviation).astype(np.float64)

    def share_of_noise_alone(numbers: Doubles) -> float:
        """How many are a float32 times the deviation, rounded: all, where nothing was added."""
        floats = numbers.astype(np.float32)
        quotients = (floats / np.float32(0.9)).astype(np.float32)
        beside = (quotients, np.nextafter(quotients, -np.inf), np.nextafter(quotients, np.inf))
        possible = np.any(
            [near.astype(np.float32) * np.float32(0.9) == floats for near in beside], 0
        )
        return float(possible.mean())

    apart = abs(share_of_noise_alone(released(0.0)) - share_of_noise_alone(released(float(signal))))
    if noised == "in float32":
        assert apart > 0.05, "the attack works where there is something to see"
    else:
        assert apart < 0.02
