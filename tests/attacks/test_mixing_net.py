"""A network that mixes windows: one window moves the others' gradients, past what clipping bounds.

Layers that Opacus knows to mix are refused by their type; here are those that no type gives away.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from fl_client.training import Trainer
from fl_client.training.independence import mixes_windows
from fl_client.training.private_nets import why_not_private
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import Refusal, RefusalReason, Task
from models.nets import Net, parameters_of
from tests.support import samples
from tests.support.box import Box, device_plan, trainer_of
from tests.support.local_training import local_task, own_net, refused
from tests.support.trainers import TRAINERS
from tests.unit.models.net_examples import EXAMPLES, NAMES, example


class Step(nn.Module):
    """A step of a body without parameters, or with one scale."""

    def __init__(self, step: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.step = step

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.step(values)


class LeakyGradient(torch.autograd.Function):
    """The output of a window is its own; its gradient is the sum of all."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *backprops: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = backprops[0] + ctx.saved_tensors[0].sum(0)
        return mixed


MIXING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "less the mean": lambda x: x - x.mean(0),
    "batch norm in disguise": lambda x: (x - x.mean(0)) / (x.std(0, correction=0) + 1e-5),
    "without a gradient": lambda x: x - x.mean(0).detach(),
    "reversed": lambda x: x + x.flip(0),
    "shifted": lambda x: x + torch.roll(x, 1, 0),
    "over the largest": lambda x: x / (1 + x.abs().amax()),
    "attention between windows": lambda x: (x @ x.T).softmax(1) @ x,
    "by the number of windows": lambda x: x / len(x),
    "large windows alone": lambda x: x + 1.0 * (x.abs().amax() > 100.0),
    "in the gradient alone": lambda x: LeakyGradient.apply(x),  # type: ignore[no-untyped-call]
}
ALONE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "as it is": lambda x: x,
    "less its own mean": lambda x: x - x.mean(1, keepdim=True),
    "dropout": lambda x: functional.dropout(x, 0.5),
    "noise": lambda x: x + torch.randn_like(x),
    "sorted within": lambda x: x.sort(1).values,
}


def body(step: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), Step(step), nn.Linear(8, 3))


@TRAINERS
@pytest.mark.parametrize("step", MIXING.values(), ids=MIXING)
def test_a_network_that_mixes_windows_is_refused_under_dp(
    make: Callable[[], Trainer],
    step: Callable[[torch.Tensor], torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = own_net(monkeypatch, lambda: body(step))
    told = refused(make(), local_task(device_plan(net=net)), RefusalReason.PRIVACY)
    assert "depends on the other windows" in told
    assert "GroupNorm" in told


def test_it_is_refused_before_any_charge_and_for_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = own_net(monkeypatch, lambda: body(MIXING["less the mean"]))
    box = Box(tmp_path, trainer_of("cohort"))
    plan = device_plan(net=net, evaluation=EvaluationPlan(3.0, 4.0, 3.0))
    box.refuses(plan, RefusalReason.PRIVACY)
    answer = box.evaluates(plan)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PRIVACY
    assert box.spent() == 0.0
    assert box.trainer.tasks == []


@pytest.mark.parametrize("step", ALONE.values(), ids=ALONE)
def test_a_network_that_takes_each_window_by_itself_is_not_refused(
    step: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    net = Own(samples.TASK, nn.Flatten(), body(step))
    assert not mixes_windows(net, samples.TASK)


class Own(Net):
    def __init__(self, task: Task, front: nn.Module, body: nn.Module) -> None:
        del task
        super().__init__(front, body)


def test_a_front_end_that_mixes_windows_is_refused() -> None:
    front = nn.Sequential(nn.Flatten(), Step(MIXING["less the mean"]))
    net = Own(samples.TASK, front, nn.Linear(16, 3))
    assert "other windows" in str(why_not_private(net, samples.TASK))


@pytest.mark.parametrize(("name", "task"), EXAMPLES, ids=NAMES)
def test_none_of_our_networks_mixes_windows(name: str, task: Task) -> None:
    net = example(name, task)
    before = {name: array.copy() for name, array in parameters_of(net).items()}
    state = torch.get_rng_state()
    assert not mixes_windows(net, task)
    assert torch.equal(torch.get_rng_state(), state)
    assert all((array == before[name]).all() for name, array in parameters_of(net).items())
