"""Parameters with ``requires_grad=False`` stay: not trained, not clipped, noised or sent."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fl_client.release.gateway import release_update
from fl_client.site.charged_training import ChargedTrainer
from fl_client.site.shortfalls import Shortfalls
from fl_client.training import LocalTask, Trainer
from fl_client.training.checks import check_public
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for
from fl_common import params
from fl_common.plan import Instruction
from fl_common.vocabulary import LocalUpdate, NetSpec, Refusal, RefusalReason
from models.nets import trained_part
from tests.support import samples
from tests.support.local_training import local_task, own_net, train
from tests.support.trainers import PRIVACIES, QUIET, TRAINERS, assert_close, cohort, updates


def whole_layers() -> nn.Module:
    """A frozen first and third layer, which stacks leave as they are."""
    body = nn.Sequential(
        nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)
    )
    for frozen in (body[0], body[3]):
        frozen.requires_grad_(False)
    return body


def half_a_layer() -> nn.Module:
    """Biases alone, and a layer without a stacked form."""
    body = nn.Sequential(nn.Linear(16, 6), nn.PReLU(), nn.Linear(6, 3))
    body[0].weight.requires_grad_(False)
    return body


BODIES = pytest.mark.parametrize("body_of", [whole_layers, half_a_layer])
TRAINED = {
    whole_layers: {"2.weight", "2.bias", "5.weight", "5.bias"},
    half_a_layer: {"0.bias", "1.weight", "2.weight", "2.bias"},
}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, body_of: Callable[[], nn.Module]) -> NetSpec:
    return own_net(monkeypatch, body_of)


@TRAINERS
@PRIVACIES
@BODIES
def test_an_update_is_of_the_trained_parameters_alone(
    make: Callable[[], Trainer], privacy: Any, body_of: Callable[[], nn.Module], net: NetSpec
) -> None:
    plan = samples.plan(privacy, {"weight_decay": 0.1, "proximal_mu": 0.1}, net=net)
    task = local_task(plan)
    update = train(make(), task)
    assert set(update.delta) == TRAINED[body_of]
    assert all(array.any() for array in update.delta.values())
    instruction = Instruction(plan, 1, task.parameters)
    assert isinstance(release_update(update, instruction), LocalUpdate)


@PRIVACIES
@BODIES
def test_both_trainers_agree(privacy: Any, net: NetSpec) -> None:
    """Frozen values of a server's choice too, and others on another site."""
    tasks = cohort(samples.plan(privacy, {"momentum": 0.5}, net=net), [21, 8, 33])
    moved = {name: array + np.float32(0.1) for name, array in tasks[1].parameters.items()}
    tasks[1] = replace(tasks[1], parameters=moved)
    reference = updates(OpacusTrainer(), tasks)
    for found, right in zip(updates(CohortTrainer(64), tasks), reference, strict=True):
        assert_close(found, right, 1e-4, 2e-5)


@TRAINERS
@BODIES
def test_what_is_frozen_has_no_part_in_clipping(
    make: Callable[[], Trainer], body_of: Callable[[], nn.Module], net: NetSpec
) -> None:
    """With a rate of 1 and one step the norm is that of one clipped gradient, all of it sent."""
    quiet = replace(QUIET, clip_norm=1e-3, sampling_rate=1.0, steps=1, expected_batch=1.0)
    plan = samples.plan(quiet, {"learning_rate": 1.0}, net=net)
    update = train(make(), local_task(plan, count=1))
    assert params.norm(update.delta) == pytest.approx(1e-3, rel=0.02)


@TRAINERS
@pytest.mark.parametrize("body_of", [whole_layers])
def test_noise_is_drawn_for_what_is_sent(make: Callable[[], Trainer], net: NetSpec) -> None:
    plan = samples.plan(replace(QUIET, noise_multiplier=50.0, clip_norm=1e-3), net=net)
    one, other = (train(make(), local_task(plan, site)) for site in ("anna", "bert"))
    assert all((one.delta[name] != other.delta[name]).all() for name in one.delta)


@pytest.mark.parametrize("body_of", [lambda: nn.Linear(16, 3).requires_grad_(False)])
def test_a_net_that_trains_nothing_is_refused(net: NetSpec) -> None:
    refusal = check_public(local_task(samples.plan(QUIET, net=net)))
    assert refusal is not None
    assert refusal.reason == RefusalReason.PLAN
    assert "has no parameter that is trained" in refusal.detail


@pytest.mark.parametrize("body_of", [whole_layers])
def test_an_update_of_frozen_parameters_does_not_leave(net: NetSpec) -> None:
    plan = samples.plan(QUIET, net=net)
    task = local_task(plan)
    update = train(OpacusTrainer(), task)
    whole = {name: np.zeros_like(array) for name, array in task.parameters.items()}
    answer = release_update(
        replace(update, delta={**whole, **update.delta}), Instruction(plan, 1, task.parameters)
    )
    assert getattr(answer, "reason", None) == RefusalReason.PRIVACY


@pytest.mark.parametrize("body_of", [whole_layers])
def test_the_trained_part_keeps_the_order_of_the_net(net: NetSpec) -> None:
    plan = samples.plan(net=net)
    whole = local_task(plan).parameters
    assert list(trained_part(net_for(plan), whole)) == ["2.weight", "2.bias", "5.weight", "5.bias"]


class Dying:
    """A trainer that can't train on what a site has."""

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        raise MemoryError


@pytest.mark.parametrize("body_of", [whole_layers])
def test_a_site_that_could_not_train_answers_as_an_empty_one(net: NetSpec, tmp_path: Path) -> None:
    plan = samples.plan(samples.SITE_PRIVACY, net=net)
    task = local_task(plan)
    (answer,) = ChargedTrainer(Dying(), Shortfalls(tmp_path / "told")).train([task])
    assert isinstance(answer, LocalUpdate)
    instruction = Instruction(plan, 1, task.parameters, clip_norm=1.0)
    assert isinstance(release_update(answer, instruction), LocalUpdate)


class Counting(nn.Linear):
    """Counts the windows that pass it, of all its copies."""

    passed = 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        Counting.passed += len(values)
        return super().forward(values)


def counting() -> nn.Module:
    return nn.Sequential(Counting(16, 6).requires_grad_(False), nn.Tanh(), nn.Linear(6, 3))


@TRAINERS
@PRIVACIES
@pytest.mark.parametrize("body_of", [counting])
def test_windows_pass_the_first_frozen_layers_once_in_a_run(
    make: Callable[[], Trainer], privacy: Any, net: NetSpec
) -> None:
    trainer, task = make(), local_task(samples.plan(privacy, net=net))
    assert all(array.any() for array in train(trainer, task).delta.values())
    before = Counting.passed
    train(trainer, replace(task, round=2))
    assert Counting.passed == before
    moved = {name: array + np.float32(0.1) for name, array in task.parameters.items()}
    train(trainer, replace(task, round=3, parameters=moved))
    assert Counting.passed > before
