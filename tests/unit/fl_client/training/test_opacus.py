from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fl_client.training import LocalTask
from fl_client.training import opacus as module
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for, prepared
from fl_client.training.randomness import draw_batches, noise_source
from fl_common.privacy.grid import LEEWAY
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import LocalUpdate, NetSpec
from tests.support import samples
from tests.support.local_training import equal, local_task, own_net, train

LOUD = replace(samples.WINDOW_PRIVACY, noise_multiplier=1e4)
SILENT = replace(samples.WINDOW_PRIVACY, noise_multiplier=1e-6)
MLP = NetSpec("models.nets.mlp.Mlp", {"hidden": [5], "activation": "tanh"})


Step = Callable[[list[nn.Parameter], nn.Module, torch.Tensor, torch.Tensor], None]


def reference(asked: LocalTask, optimizer: type[torch.optim.Optimizer], options: dict[str, float],
              gradient: Step, mu: float = 0.0) -> dict[str, np.ndarray[Any, Any]]:  # fmt: skip
    """The loop as in a textbook: ``gradient`` leaves ``grad`` on each parameter."""
    body = net_for(asked.plan).body
    before = {name: p.detach().clone() for name, p in body.named_parameters()}
    weights = list(body.parameters())
    own = optimizer(weights, **options)  # type: ignore[arg-type]
    data = prepared(asked)
    for rows in draw_batches(asked.plan, asked.site, asked.round, len(data.targets)):
        gradient(weights, body, data.inputs[rows], data.targets[rows])
        for weight, start in zip(weights, before.values(), strict=True):
            assert weight.grad is not None
            weight.grad += mu * (weight.detach() - start)
        own.step()
    delta = {name: (p.detach() - before[name]).numpy() for name, p in body.named_parameters()}
    with torch.no_grad():
        for name, p in body.named_parameters():
            p.copy_(before[name])
    return delta


def mean_gradient(
    weights: list[nn.Parameter], body: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
) -> None:
    body.zero_grad()
    cross_entropy(body(inputs), labels).backward()


def clipped_gradient(expected_batch: float, clip: float) -> Step:
    def gradient(
        weights: list[nn.Parameter], body: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
    ) -> None:
        totals = [torch.zeros_like(p) for p in weights]
        for row in range(len(labels)):
            loss = cross_entropy(body(inputs[row : row + 1]), labels[row : row + 1])
            own = torch.autograd.grad(loss, weights)
            length = torch.sqrt(sum((g.square().sum() for g in own), torch.zeros(())))
            factor = min(1.0, clip / (float(length) + 1e-6))
            totals = [total + factor * g for total, g in zip(totals, own, strict=True)]
        for weight, total in zip(weights, totals, strict=True):
            weight.grad = total / expected_batch

    return gradient


OPTIMIZERS: list[tuple[dict[str, Any], type[torch.optim.Optimizer], dict[str, float]]] = [
    ({}, torch.optim.SGD, {"lr": 0.1}),
    ({"momentum": 0.9, "weight_decay": 0.01}, torch.optim.SGD,
     {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ({"optimizer": "adam", "weight_decay": 0.01}, torch.optim.Adam,
     {"lr": 0.1, "weight_decay": 0.01}),
    ({"proximal_mu": 0.5}, torch.optim.SGD, {"lr": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("training", "optimizer", "options"), OPTIMIZERS)
def test_training_without_dp_is_the_textbook_loop(
    training: dict[str, Any], optimizer: type[torch.optim.Optimizer], options: dict[str, float]
) -> None:
    asked = local_task(samples.plan(training={**training, "local_epochs": 3}, net=MLP))
    expected = reference(asked, optimizer, options, mean_gradient, training.get("proximal_mu", 0))
    update = train(OpacusTrainer(), asked)
    for name, delta in update.delta.items():
        np.testing.assert_allclose(delta, expected[name], rtol=1e-4, atol=1e-6)
    assert update.weight == 32.0


@pytest.mark.parametrize(("training", "optimizer", "options"), OPTIMIZERS)
def test_training_with_dp_clips_each_window_and_divides_by_the_expected_batch(
    training: dict[str, Any], optimizer: type[torch.optim.Optimizer], options: dict[str, float]
) -> None:
    asked = local_task(samples.plan(SILENT, training, net=MLP))
    gradient = clipped_gradient(32 * SILENT.sampling_rate, SILENT.clip_norm * (1 - LEEWAY))
    expected = reference(asked, optimizer, options, gradient, training.get("proximal_mu", 0))
    update = train(OpacusTrainer(), asked)
    for name, delta in update.delta.items():
        np.testing.assert_allclose(delta, expected[name], rtol=1e-3, atol=1e-5)
    assert update.weight == 1.0


def test_noise_is_one_flat_draw_per_step_times_multiplier_and_clip_norm() -> None:
    privacy = replace(LOUD, clip_norm=0.5)
    asked = local_task(samples.plan(privacy, net=MLP))
    update = train(OpacusTrainer(), asked)
    source = noise_source(asked.plan, asked.site, asked.round)
    size = sum(array.size for array in update.delta.values())
    noise = sum((source.standard_normal(size) for _ in range(privacy.steps)), torch.zeros(size))
    expected = -0.1 * noise.numpy() * 1e4 * 0.5 / (32 * privacy.sampling_rate)
    flat = np.concatenate([array.ravel() for array in update.delta.values()])
    np.testing.assert_allclose(flat, expected, rtol=1e-3, atol=0.05)


def test_empty_batches_still_add_noise() -> None:
    privacy = replace(LOUD, sampling_rate=0.05, steps=40, expected_batch=1.0)
    asked = local_task(samples.plan(privacy), count=20)
    batches = draw_batches(asked.plan, "anna", 1, 20)
    assert sum(len(batch) == 0 for batch in batches) >= 3
    spread = np.concatenate(
        [array.ravel() for array in train(OpacusTrainer(), asked).delta.values()]
    ).std()
    assert spread == pytest.approx(0.1 * 1e4 * np.sqrt(40), rel=0.3)


def test_large_batch_in_parts_is_the_same_mechanism(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = local_task(samples.plan(replace(SILENT, sampling_rate=1.0), net=MLP))
    whole = train(OpacusTrainer(), asked)
    monkeypatch.setattr(module, "PER_SAMPLE_BYTES", 4 * 5 * 110)
    in_parts = train(OpacusTrainer(), asked)
    for name, delta in whole.delta.items():
        np.testing.assert_allclose(in_parts.delta[name], delta, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, samples.PUBLIC])
def test_answer_depends_on_seed_site_and_round_and_on_no_neighbour(privacy: Any) -> None:
    plan = samples.plan(privacy, net=MLP)
    asked = [
        local_task(plan),
        local_task(plan, "bert"),
        local_task(plan, round_=2),
        local_task(replace(plan, seed=2)),
    ]
    alone = [train(OpacusTrainer(), one) for one in asked]
    together = OpacusTrainer().train(asked[::-1])[::-1]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(other, LocalUpdate)
        assert equal(one, other)
    assert not any(equal(alone[0], other) for other in alone[1:])


def test_without_a_seed_no_round_repeats_itself() -> None:
    asked = local_task(samples.plan(samples.WINDOW_PRIVACY, seed=None))
    assert not equal(train(OpacusTrainer(), asked), train(OpacusTrainer(), asked))


def test_layers_with_chance_repeat_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = own_net(monkeypatch, lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(16, 3)))
    asked = local_task(samples.plan(samples.WINDOW_PRIVACY, net=spec))
    first = train(OpacusTrainer(), asked)
    torch.rand(1)  # the process' own generator moves on, and is left alone
    state = torch.get_rng_state()
    assert equal(train(OpacusTrainer(), asked), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_learning_rate_follows_the_schedule() -> None:
    plan = samples.plan(LOUD, {"schedule": "cosine"})
    first, third = (
        train(OpacusTrainer(), local_task(plan, round_=round_)).delta["weight"].std()
        for round_ in (1, 3)
    )
    assert third / first == pytest.approx(plan.learning_rate(3) / 0.1, rel=0.3)


def test_buffers_are_part_of_an_update_without_dp(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = own_net(monkeypatch, lambda: nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3)))
    update = train(OpacusTrainer(), local_task(samples.plan(net=spec)))
    assert np.abs(update.delta["0.running_mean"]).max() > 0
    assert all(array.dtype == np.float32 for array in update.delta.values())


@pytest.mark.parametrize(
    "spec",
    [
        NetSpec("models.nets.cnn1d.Cnn1d",
                {"widths": [4], "kernel": 3, "norm": "group", "groups": 2, "activation": "relu"}),
        NetSpec("models.nets.gru.Gru", {"hidden": 4, "readings": 2}),
    ],
)  # fmt: skip
def test_series_nets_train_with_dp(spec: NetSpec) -> None:
    privacy: WindowPrivacyPlan = replace(samples.WINDOW_PRIVACY, steps=2)
    assert any(
        array.any()
        for array in train(
            OpacusTrainer(), local_task(samples.plan(privacy, net=spec))
        ).delta.values()
    )
