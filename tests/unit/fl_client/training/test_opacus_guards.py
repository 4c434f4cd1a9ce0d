"""Each way to lose DP without a word, and each fault of one site, ends in a refusal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from opacus.optimizers.optimizer import DPOptimizer
from torch import nn

from fl_client.training import LocalTask
from fl_client.training import opacus as module
from fl_client.training.checks import RAISED
from fl_client.training.opacus import OpacusTrainer
from fl_common.vocabulary import LocalUpdate, NetSpec, Refusal, RefusalReason
from tests.support import samples
from tests.support.local_training import equal, local_task, own_net, refused, train

MLP = NetSpec("models.nets.mlp.Mlp", {"hidden": [5], "activation": "tanh"})


@pytest.mark.parametrize("options", [{}, {"affine": False, "track_running_stats": False}])
def test_batch_norm_under_dp_is_refused_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    spec = own_net(
        monkeypatch, lambda: nn.Sequential(nn.BatchNorm1d(16, **options), nn.Linear(16, 3))
    )
    detail = refused(
        OpacusTrainer(),
        local_task(samples.plan(samples.WINDOW_PRIVACY, net=spec)),
        RefusalReason.PRIVACY,
    )
    assert "layer 0 (BatchNorm1d)" in detail
    assert "GroupNorm" in detail


def test_failing_set_up_of_dp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NotImplementedError("no rule for this layer")

    monkeypatch.setattr(module, "GradSampleHooks", fail)
    detail = refused(
        OpacusTrainer(), local_task(samples.plan(samples.WINDOW_PRIVACY)), RefusalReason.PRIVACY
    )
    assert "no rule for this layer" in detail
    assert "Nothing was trained" in detail


class Trap(nn.Module):
    """Raises where a window holds the marker: a training that fails half-way."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if bool((values == 77.0).any()):
            raise RuntimeError("sprung")
        return values


def sprung_by(task: LocalTask) -> dict[str, Any]:
    weight, bias = np.zeros((16, 16), np.float32), np.full(16, 77.0, np.float32)
    return {**task.parameters, "0.weight": weight, "0.bias": bias}


@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, samples.PUBLIC])
def test_site_whose_training_raises_leaves_the_others_alone(
    privacy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = own_net(monkeypatch, lambda: nn.Sequential(nn.Linear(16, 16), Trap(), nn.Linear(16, 3)))
    plan = samples.plan(privacy, net=spec)
    before, after = local_task(plan), local_task(plan, "cora")
    sprung = replace(before, site="bert", parameters=sprung_by(before))
    trainer = OpacusTrainer()
    answers = trainer.train([before, sprung, after])
    assert isinstance(answers[1], Refusal)
    assert answers[1].reason is RefusalReason.TRAINING
    assert answers[1].detail == RAISED
    for asked, answer in ((before, answers[0]), (after, answers[2])):
        assert isinstance(answer, LocalUpdate)
        assert equal(answer, train(OpacusTrainer(), asked))


def test_text_of_an_error_stays_on_a_device_that_trains_with_dp(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    spec = own_net(monkeypatch, lambda: nn.Sequential(nn.Linear(16, 16), Trap(), nn.Linear(16, 3)))
    asked = local_task(samples.plan(samples.WINDOW_PRIVACY, net=spec, seed=None))
    asked = replace(asked, parameters=sprung_by(asked))
    detail = refused(OpacusTrainer(), asked, RefusalReason.TRAINING)
    assert detail == RAISED
    assert "sprung" in caplog.text


def test_diverged_training_is_refused() -> None:
    plan = samples.plan(training={"learning_rate": 1e38, "local_epochs": 5})
    assert "learning_rate" in refused(OpacusTrainer(), local_task(plan), RefusalReason.TRAINING)


def test_clipping_that_does_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DPOptimizer, "clip_and_accumulate", lambda self: None)
    detail = refused(
        OpacusTrainer(), local_task(samples.plan(samples.WINDOW_PRIVACY)), RefusalReason.PRIVACY
    )
    assert "not clipped" in detail


def test_sum_without_clipping_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: DPOptimizer) -> None:
        for parameter in self.params:
            parameter.summed_grad = parameter.grad_sample.sum(0)

    monkeypatch.setattr(DPOptimizer, "clip_and_accumulate", add)
    privacy = replace(samples.WINDOW_PRIVACY, clip_norm=0.1)
    detail = refused(OpacusTrainer(), local_task(samples.plan(privacy)), RefusalReason.PRIVACY)
    assert "clipping did not run" in detail


def test_step_without_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(self: Any) -> None:
        for parameter in self.params:
            parameter.grad = parameter.summed_grad

    monkeypatch.setattr(module.PlannedOptimizer, "add_noise", forget)
    refused(
        OpacusTrainer(), local_task(samples.plan(samples.WINDOW_PRIVACY)), RefusalReason.PRIVACY
    )


class Frozen:
    """A generator that is stuck, silent, or of the wrong scale."""

    def __init__(self, draw: Callable[[int], torch.Tensor]) -> None:
        self.standard_normal = draw


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (torch.zeros, "frozen"),
        (lambda size: torch.randn(size, generator=torch.Generator().manual_seed(3)), "frozen"),
        (lambda size: 0.1 * torch.randn(size), "variance"),
        (lambda size: torch.full((size,), torch.nan), "frozen"),
        (lambda size: torch.cat([torch.randn(size - 1), torch.tensor([torch.nan])]), "variance"),
        (lambda size: torch.randn(size - 1), ""),
    ],
)
def test_generator_that_is_not_standard_normal_is_caught(
    monkeypatch: pytest.MonkeyPatch, draw: Callable[[int], torch.Tensor], match: str
) -> None:
    monkeypatch.setattr(module, "noise_source", lambda *_: Frozen(draw))
    answer = OpacusTrainer().train([local_task(samples.plan(samples.WINDOW_PRIVACY))])[0]
    assert isinstance(answer, Refusal)
    assert match in answer.detail


class Remembers(nn.Module):
    """Keeps a statistic of its inputs in a buffer, as BatchNorm does, unseen by the validator."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Buffer(torch.zeros(16))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.seen.add_(values.detach().sum(0))
        return values


def test_buffer_that_learns_under_dp_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = own_net(monkeypatch, lambda: nn.Sequential(Remembers(), nn.Linear(16, 3)))
    detail = refused(
        OpacusTrainer(),
        local_task(samples.plan(samples.WINDOW_PRIVACY, net=spec)),
        RefusalReason.PRIVACY,
    )
    assert "0.seen" in detail
