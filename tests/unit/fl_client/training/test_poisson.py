"""Batches that are no Poisson samples are found; Poisson samples never are."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from fl_client.training.poisson import _bounds, _most_equal, check_poisson
from fl_client.training.randomness import draw_batches
from fl_common.errors import PrivacyViolation
from tests.support import samples

WINDOWS, STEPS, RATE = 200, 20, 0.1
PLAN = replace(samples.WINDOW_PRIVACY, steps=STEPS, sampling_rate=RATE)
Batches = list[torch.Tensor]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def poisson(rate: float = RATE, steps: int = STEPS, windows: int = WINDOWS) -> Batches:
    masks_SN = torch.rand(steps, windows, generator=generator()) < rate
    return [mask_N.nonzero().flatten() for mask_N in masks_SN]


@settings(max_examples=150)
@given(
    windows=st.integers(1, 400),
    steps=st.integers(1, 60),
    rate=st.floats(1e-3, 1.0),
    seed=st.integers(0, 2**32),
)
def test_poisson_samples_pass(windows: int, steps: int, rate: float, seed: int) -> None:
    privacy = replace(samples.WINDOW_PRIVACY, steps=steps, sampling_rate=rate)
    plan = samples.plan(privacy, seed=seed)
    check_poisson(draw_batches(plan, "anna", 1, windows), windows, privacy.sample_mechanism)


def shuffled_passes() -> Batches:
    size = round(RATE * WINDOWS)
    passes = [torch.randperm(WINDOWS, generator=generator()).split(size) for _ in range(2)]
    return [batch.sort().values for some in passes for batch in some]


def fixed_sizes() -> Batches:
    random = generator()
    return [torch.randperm(WINDOWS, generator=random)[:20].sort().values for _ in range(STEPS)]


def with_first(batch: torch.Tensor) -> Batches:
    return [batch, *poisson()[1:]]


@pytest.mark.parametrize(
    ("batches", "match"),
    [
        (lambda: poisson(steps=STEPS - 1), "19 of them for 20 steps"),
        (lambda: poisson(steps=STEPS + 1), "21 of them for 20 steps"),
        (list, "0 of them for 20 steps"),
        (lambda: with_first(torch.tensor([3, 3, 5])), "twice in one"),
        (lambda: with_first(torch.tensor([5, 3])), "rising order"),
        (lambda: with_first(torch.tensor([5, WINDOWS])), "does not have"),
        (lambda: with_first(torch.tensor([-1, 5])), "does not have"),
        (shuffled_passes, "the same 20[0]? times"),
        (fixed_sizes, "windows in a step are the same 20 times out of 20"),
        (lambda: [torch.arange(WINDOWS)] * STEPS, "windows in a step are 200"),
        (lambda: [torch.empty(0, dtype=torch.int64)] * STEPS, "are the same|are 0"),
        (lambda: poisson(2 * RATE), "windows in all steps"),
        (lambda: poisson(RATE / 2), "windows in all steps"),
        (lambda: [*poisson()[:-1], poisson()[3]], "generator is frozen"),
        (
            lambda: [batch % 20 for batch in map(torch.arange, [20] * STEPS)],
            "steps of a window|sam",
        ),
    ],
)
def test_other_batches_are_found(batches: Callable[[], Batches], match: str) -> None:
    with pytest.raises(PrivacyViolation, match=match):
        check_poisson(batches(), WINDOWS, PLAN.sample_mechanism)


@pytest.mark.parametrize("windows", [1, 7, 60])
@pytest.mark.parametrize("steps", [1, 5])
def test_rate_of_one_takes_every_window_in_every_step(windows: int, steps: int) -> None:
    plan = replace(PLAN, sampling_rate=1.0, steps=steps)
    check_poisson([torch.arange(windows)] * steps, windows, plan.sample_mechanism)
    if windows > 1:
        with pytest.raises(PrivacyViolation):
            check_poisson([torch.arange(windows - 1)] * steps, windows, plan.sample_mechanism)


@pytest.mark.parametrize(("trials", "rate"), [(4, 0.25), (60, 0.1), (350, 0.02), (2000, 0.5)])
def test_bounds_hold_by_the_exact_distribution(trials: int, rate: float) -> None:
    for log_alarm in (3.0, 30.0):
        lowest, highest = _bounds(trials, rate, log_alarm)
        assert binom.cdf(lowest - 1, trials, rate) <= math.exp(-log_alarm)
        assert binom.sf(highest, trials, rate) <= math.exp(-log_alarm)
        assert lowest <= trials * rate <= highest


@pytest.mark.parametrize(("samples_", "trials", "rate"), [(40, 60, 0.1), (200, 4, 0.25)])
def test_equal_counts_hold_by_the_exact_distribution(
    samples_: int, trials: int, rate: float
) -> None:
    most = _most_equal(samples_, trials, rate)
    chances = [binom.pmf(count, trials, rate) for count in range(trials + 1)]
    assert most < samples_
    assert sum(binom.sf(most, samples_, chance) for chance in chances) <= math.exp(-30)


@pytest.mark.parametrize(
    "rows", [[], [0, 1, 2, 3], [0, 1, 2, 3, 3], [0, 1, 2, 4, 3], [0, 1, 2, 3, 5], [1, 2, 3, 4, 5]]
)
def test_at_a_rate_of_one_nothing_but_all_rows_is_a_sample(rows: list[int]) -> None:
    plan = replace(PLAN, sampling_rate=1.0, steps=2)
    whole = torch.arange(5)
    check_poisson([whole, whole], 5, plan.sample_mechanism)
    with pytest.raises(PrivacyViolation, match="all rows"):
        check_poisson([whole, torch.tensor(rows, dtype=torch.int64)], 5, plan.sample_mechanism)
