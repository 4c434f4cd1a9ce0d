"""One contract for every trainer: the same task gives the same update, or the same refusal."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_client.training import Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.stacked import backend as ways
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import NetSpec, Task
from tests.support import samples
from tests.support.local_training import train
from tests.support.trainers import MLP, PRIVACIES, QUIET, TRAINERS, assert_close, cohort, updates
from tests.unit.models.net_examples import EXAMPLES, NAMES, spec_of

SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.05},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.05},
    "proximal": {"proximal_mu": 0.5},
    "epochs": {"local_epochs": 3},
    "cosine": {"schedule": "cosine"},
}


@PRIVACIES
@pytest.mark.parametrize(("name", "task"), EXAMPLES, ids=NAMES)
def test_every_net_gets_the_same_update(name: str, task: Task, privacy: Any) -> None:
    large = name == "mobilenet"
    if large and isinstance(privacy, WindowPrivacyPlan):
        privacy = replace(privacy, steps=1)
    tasks = cohort(
        samples.plan(privacy, task=task, net=spec_of(name)), [8] if large else [21, 8, 33]
    )
    reference, trainer = updates(OpacusTrainer(), tasks), CohortTrainer(64)
    assert isinstance(trainer._backend_for(tasks[0]), ways.StackedBackend)
    for found, right in zip(updates(trainer, tasks), reference, strict=True):
        # Normalised places of one pixel leave mobilenet's first layers little but rounding.
        assert_close(found, right, 1e-4, 1e-3 if large else 1e-4)


@PRIVACIES
@pytest.mark.parametrize("training", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_gets_the_same_update(training: dict[str, Any], privacy: Any) -> None:
    plan = samples.plan(privacy, training, net=MLP)
    tasks = cohort(plan, [21, 8, 33, 40, 3, 1])
    reference = updates(OpacusTrainer(), tasks)
    for found, right in zip(updates(CohortTrainer(64), tasks), reference, strict=True):
        # Adam divides by the gradient's size: rounding decides where that is small.
        assert_close(found, right, 1e-4, 1e-3 if "optimizer" in training else 1e-5)


def test_both_add_the_same_seeded_noise() -> None:
    plan = samples.plan(replace(QUIET, noise_multiplier=2.0), net=MLP)
    tasks = cohort(plan, [21, 8, 33])
    reference = updates(OpacusTrainer(), tasks)
    for found, right in zip(updates(CohortTrainer(64), tasks), reference, strict=True):
        assert_close(found, right, 1e-4, 1e-5)


NETS = pytest.mark.parametrize("net", [MLP, spec_of("cnn1d"), spec_of("gru")])


@TRAINERS
@PRIVACIES
@NETS
def test_an_update_does_not_depend_on_the_cohort(
    make: Callable[[], Trainer], privacy: Any, net: NetSpec
) -> None:
    plan = samples.plan(privacy, {"momentum": 0.5, "local_epochs": 2}, net=net)
    tasks = cohort(plan, [21, 8, 33, 40, 16])
    together = updates(make(), tasks)
    backwards = updates(make(), tasks[::-1])[::-1]
    for task, one, other in zip(tasks, together, backwards, strict=True):
        assert_close(one, train(make(), task), 1e-5, 1e-6)
        assert_close(one, other, 1e-5, 1e-6)


@TRAINERS
def test_parameters_differ_from_site_to_site(make: Callable[[], Trainer]) -> None:
    tasks = cohort(samples.plan(net=MLP), [21, 21])
    moved = {name: array + np.float32(0.1) for name, array in tasks[1].parameters.items()}
    tasks[1] = replace(tasks[1], parameters=moved)
    for task, update in zip(tasks, updates(make(), tasks), strict=True):
        assert_close(update, train(OpacusTrainer(), task), 1e-4, 1e-5)


@TRAINERS
def test_plans_and_rounds_may_be_mixed(make: Callable[[], Trainer]) -> None:
    plans = [samples.plan(net=MLP), samples.plan(QUIET, net=MLP), samples.plan()]
    tasks = [cohort(plan, [21], round_)[0] for plan in plans for round_ in (1, 2)]
    for task, update in zip(tasks, updates(make(), tasks), strict=True):
        assert_close(update, train(OpacusTrainer(), task), 1e-4, 1e-5)


@TRAINERS
def test_nobody_asked_nobody_answers(make: Callable[[], Trainer]) -> None:
    assert make().train([]) == []


@TRAINERS
def test_training_leaves_its_input_alone(make: Callable[[], Trainer]) -> None:
    task = cohort(samples.plan(net=MLP), [21])[0]
    before = {name: array.copy() for name, array in task.parameters.items()}
    values = task.windows.values.copy()
    train(make(), task)
    assert all(np.array_equal(task.parameters[name], array) for name, array in before.items())
    assert np.array_equal(task.windows.values, values)


@TRAINERS
def test_noise_has_the_planned_scale(make: Callable[[], Trainer]) -> None:
    """Chi-square: with hardly any gradient an update is noise alone, of a known deviation."""
    privacy = replace(samples.WINDOW_PRIVACY, clip_norm=1e-3, noise_multiplier=50.0, steps=3)
    count, rate = 40, 0.2
    plan = samples.plan(privacy, {"learning_rate": rate}, net=spec_of("mlp"), task=EXAMPLES[3][1])
    update = train(make(), cohort(plan, [count])[0])
    expected_batch = privacy.expected_batch
    deviation = rate * privacy.noise_multiplier * privacy.clip_norm / expected_batch
    numbers = np.concatenate([array.ravel() for array in update.delta.values()]) / deviation
    squares = float(np.square(numbers, dtype=np.float64).sum()) / privacy.steps
    assert abs(squares - numbers.size) < 6 * math.sqrt(2 * numbers.size)


@TRAINERS
def test_an_empty_poisson_batch_still_gets_noise(make: Callable[[], Trainer]) -> None:
    privacy = replace(samples.WINDOW_PRIVACY, sampling_rate=0.125, steps=12)
    tasks = cohort(samples.plan(privacy, net=MLP), [8, 8, 8])
    for task, update in zip(tasks, updates(make(), tasks), strict=True):
        assert_close(update, train(OpacusTrainer(), task), 1e-4, 1e-5)
