"""A hostile server chooses the parameters: one window still moves a sum by one clip norm at most.

The site sees any finite parameters, and front ends with any constants: gradients that cancel,
overflow or vanish in float32. Nothing of that may pass clipping, nor show in the answer's kind.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.training import Trainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for
from fl_client.training.stacked.gradients import MatrixGradients
from fl_client.training.stacked.network import clip_factors
from fl_client.training.stacked.stack import Stack
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats, Parameters, Windows
from models.evaluation import Evaluator
from models.nets import parameters_of
from tests.laws.test_clipping import CLIP_NORM, NETS, PRIVACY, TRAINERS
from tests.support import samples
from tests.support.neighbours import clipped_sums, with_window
from tests.unit.models.net_examples import MOTION, readings, spec_of

LEEWAY = 1 + 2.0**-8


RATE = 2.0**40
"""A step so long that the parameters, which it is added to, hide nothing of it."""


def plan_of(net: str) -> RunPlan:
    return samples.plan(PRIVACY, {"learning_rate": RATE}, task=MOTION, net=NETS[net])


def moved(
    trainer: Trainer, plan: RunPlan, odd: Floats, parameters: Parameters, count: int = 4
) -> float:
    """How far one window more moves the sum of a step."""
    labels = np.arange(count) % len(MOTION.labels)
    fewer = Windows(readings(MOTION, count), labels, np.zeros(count, np.int64), ("day",))
    sums = clipped_sums(trainer, plan, [fewer, with_window(fewer, odd, 0, count)], parameters)
    return float(np.linalg.norm(sums[1] - sums[0]))


def scaled(parameters: Parameters, factors: dict[str, float]) -> Parameters:
    """Arrays whose name holds a key, times its factor."""
    found = dict(parameters)
    for part, factor in factors.items():
        for name in parameters:
            if part in name:
                found[name] = np.asarray(found[name] * np.float32(factor), dtype=np.float32)
    return found


@pytest.mark.parametrize("level", [1e3, 1e4, 1e5, 1e6])
def test_a_norm_that_cancels_in_float32_is_no_way_around_clipping(level: float) -> None:
    # Group normalisation makes the backprops of a layer sum to zero over the places, so what is
    # constant over them cancels. A norm from products of places would be what is left of numbers
    # as large as level squared: zero for every second sample, and so no clipping at all.
    chance = torch.Generator().manual_seed(0)
    samples_, outputs, entries, places = 64, 8, 12, 4
    backprops_NOT = torch.randn(samples_, outputs, places, generator=chance)
    backprops_NOT -= backprops_NOT.mean(2, keepdim=True)
    activations_NIT = level + torch.randn(samples_, entries, places, generator=chance)
    gradients = MatrixGradients.of(backprops_NOT, activations_NIT)
    factors_N = clip_factors(gradients.squared_norms().sqrt(), CLIP_NORM)
    stack = Stack()
    stack.begin((1,) * samples_, True, True)
    nothing = torch.empty(0, dtype=torch.int64)
    clipped_NX = gradients.weighted_sum(factors_N, nothing, stack)
    assert float(clipped_NX.norm(dim=1).max()) <= CLIP_NORM * LEEWAY


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("net", NETS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    factor=st.sampled_from([1e-20, 1.0, 1e3, 1e9, 1e15]),
    value=st.sampled_from([0.0, 1.0, 1e5, 1e15, 1e30]),
)
def test_no_parameters_move_a_sum_by_more_than_the_clip_norm(
    trainer: Trainer, net: str, seed: int, factor: float, value: float
) -> None:
    plan, chance = plan_of(net), np.random.default_rng(seed)
    parameters = {
        name: np.asarray(chance.standard_normal(array.shape) * factor, dtype=np.float32)
        for name, array in parameters_of(net_for(plan)).items()
    }
    odd = np.float32(value) * readings(MOTION, 1, seed)[0]
    assert moved(trainer, plan, odd, parameters) <= CLIP_NORM * LEEWAY


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("net", ["logistic", "mlp", "cnn1d"])
def test_a_window_that_overflows_does_not_change_the_kind_of_the_answer(
    trainer: Trainer, net: str
) -> None:
    # A site that answered "not finite" would say whether w.x passed the largest float32: one bit.
    plan = plan_of(net)
    plan = replace(plan, privacy=replace(PRIVACY, noise_multiplier=1.0))
    huge = scaled(parameters_of(net_for(plan)), {"weight": 1e30})
    for value in (1.0, 1e20):
        odd = np.full(MOTION.window_shape, value, dtype=np.float32)
        assert np.isfinite(moved(trainer, plan, odd, huge))


AMPLIFYING = spec_of("mlp", hidden=[64], activation="tanh")


def amplified(most: int) -> tuple[RunPlan, Parameters, list[Windows]]:
    """Inputs that cancel, so that only rounding is left; with 1 to ``most`` windows."""
    chance = np.random.default_rng(1)
    plan = samples.plan(PRIVACY, {"learning_rate": RATE}, task=MOTION, net=AMPLIFYING)
    shapes = {name: array.shape for name, array in parameters_of(net_for(plan)).items()}
    made = {name: chance.standard_normal(shape) * 1e3 for name, shape in shapes.items()}
    first, half = next(iter(made)), math.prod(MOTION.window_shape) // 2
    made[first][:, :half] *= 3e5
    made[first][:, half:] = -made[first][:, :half]
    values = readings(MOTION, most)
    values[:, 16:] = values[:, :16]
    labels = np.arange(most) % len(MOTION.labels)
    sites = [
        Windows(values[:count], labels[:count], np.zeros(count, np.int64), ("day",))
        for count in range(1, most + 1)
    ]
    return plan, {name: array.astype(np.float32) for name, array in made.items()}, sites


def test_no_other_window_is_moved_by_rounding_that_the_parameters_amplify() -> None:
    plan, parameters, sites = amplified(17)
    sums = clipped_sums(OpacusTrainer(), plan, sites, parameters)
    steps = [float(np.linalg.norm(more - fewer)) for fewer, more in itertools.pairwise(sums)]
    assert max(steps) <= CLIP_NORM * LEEWAY


def test_no_other_window_s_loss_is_moved_by_rounding_either() -> None:
    plan, parameters, sites = amplified(17)
    losses = [
        Evaluator(net_for(plan), windows, MOTION, fixed=True)(parameters).loss_N
        for windows in sites
    ]
    for fewer, more in itertools.pairwise(losses):
        np.testing.assert_array_equal(more[:-1], fewer)
