"""How the cohort trainer finds a way for each net, and what it does with its memory budget."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fl_client.training import LocalTask
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.stacked import backend as ways
from fl_client.training.stacked import local_round
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import NetSpec, Refusal, RefusalReason
from tests.support import samples
from tests.support.local_training import equal, own_net, train
from tests.support.trainers import MLP, QUIET, assert_close, cohort, updates
from tests.unit.models.net_examples import EXAMPLES, spec_of


class Scaled(nn.Module):
    """A parameter that is in no layer of torch's, and a branch on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(16))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.scale


class Branching(Scaled):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        scaled = values * self.scale
        return scaled if float(scaled.detach().sum()) > 0 else scaled + 0.0


def mixed() -> nn.Module:
    """Layers in an order that only the net itself knows, one of them used twice."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(16, 3)
            self.shared = nn.Linear(16, 16, bias=False)
            self.norm = nn.LayerNorm(16)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            once = torch.tanh(self.shared(values))
            logits: torch.Tensor = self.last(values + self.norm(self.shared(once)))
            return logits

    return Twice()


@pytest.mark.parametrize(
    ("body", "way"),
    [
        (lambda: nn.Sequential(Scaled(), nn.Linear(16, 3)), ways.PerSiteBackend),
        (lambda: nn.Sequential(Branching(), nn.Linear(16, 3)), ways.PerSiteBackend),
        (
            lambda: nn.Sequential(nn.Linear(16, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)),
            ways.PerSiteBackend,
        ),
        (mixed, ways.StackedBackend),
    ],
)
def test_nets_beyond_our_own_get_the_same_update(
    body: Callable[[], nn.Module], way: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = cohort(samples.plan(net=own_net(monkeypatch, body)), [24, 8, 32])
    trainer = CohortTrainer(64)
    reference = updates(OpacusTrainer(), tasks)
    for found, right in zip(updates(trainer, tasks), reference, strict=True):
        assert_close(found, right, 1e-4, 1e-5)
    assert isinstance(trainer._backend_for(tasks[0]), way)


@pytest.mark.parametrize("layer", [Scaled, Branching])
def test_any_net_is_clipped_sample_by_sample(
    layer: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opacus has no rule for these layers: the same net made of layers it knows is the measure."""
    spec = own_net(monkeypatch, lambda: nn.Sequential(layer(), nn.Linear(16, 3)))
    known = own_net(monkeypatch, lambda: nn.Sequential(Diagonal(), nn.Linear(16, 3)))
    monkeypatch.setattr("fl_client.training.checks.why_not_under", lambda *_: None)
    task = cohort(samples.plan(QUIET, net=spec), [40])[0]
    start = {name.replace("scale", "layer.weight"): a for name, a in task.parameters.items()}
    start["0.layer.weight"] = start["0.layer.weight"].reshape(16, 1, 1)
    right = train(
        OpacusTrainer(), replace(task, plan=samples.plan(QUIET, net=known), parameters=start)
    )
    found = train(CohortTrainer(64), task)
    for one, other in zip(found.delta.values(), right.delta.values(), strict=True):
        np.testing.assert_allclose(one.ravel(), other.ravel(), rtol=1e-4, atol=1e-6)


class Diagonal(nn.Module):
    """``Scaled`` as a depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(16, 16, 1, groups=16, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.layer(values[:, :, None])
        return scaled[:, :, 0]


def test_a_body_that_uses_weights_behind_its_layers_back_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 3)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.layer(values) + self.layer(values.flip(0))
            return logits

    task = cohort(samples.plan(net=own_net(monkeypatch, Doubled)), [16])[0]
    trainer = CohortTrainer(64)
    assert_close(train(trainer, task), train(OpacusTrainer(), task), 1e-4, 1e-5)
    assert isinstance(trainer._backend_for(task), ways.PerSiteBackend)


def test_clipping_that_does_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fl_client.training.stacked.network.clip_factors", lambda norms, _: torch.ones_like(norms)
    )
    monkeypatch.setattr(ways, "_same_gradients", lambda *_: True)
    plan = samples.plan(replace(QUIET, clip_norm=1e-3), net=MLP)
    (answer,) = CohortTrainer(64).train(cohort(plan, [33]))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PRIVACY


@pytest.mark.parametrize("privacy", [samples.PUBLIC, QUIET], ids=["plain", "dp"])
@pytest.mark.parametrize("net", [MLP, spec_of("cnn1d"), spec_of("gru")], ids=["mlp", "cnn", "gru"])
def test_batches_need_no_padding(
    privacy: Any, net: NetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for nets whose padding would cost more than it saves; some batches are empty."""
    if isinstance(privacy, WindowPrivacyPlan):
        privacy = replace(privacy, sampling_rate=0.125, steps=8, expected_batch=2.0)
    tasks = cohort(samples.plan(privacy, {"local_epochs": 2}, net=net), [8, 40, 9, 24])
    monkeypatch.setattr(ways, "_CALL_BYTES", 0)
    reference, together = updates(OpacusTrainer(), tasks), updates(CohortTrainer(64), tasks)
    for task, found, right in zip(tasks, together, reference, strict=True):
        assert_close(found, right, 1e-4, 2e-5)
        assert_close(found, train(CohortTrainer(64), task), 1e-5, 1e-5)


def test_the_memory_budget_cuts_a_cohort_without_a_difference() -> None:
    tasks = cohort(samples.plan(QUIET, net=spec_of("mlp"), task=EXAMPLES[3][1]), [40] * 6)
    trainer = CohortTrainer(1)
    small, large = updates(trainer, tasks), updates(CohortTrainer(512), tasks)
    for one, other in zip(small, large, strict=True):
        assert_close(one, other, 1e-5, 1e-6)
    way = trainer._backend_for(tasks[0])
    ready = [local_round.ReadyTask(t, *_prepared(t)) for t in tasks]
    assert way.sites_at_once(ready, 2**20) < way.sites_at_once(ready, 2**29)


def _prepared(task: LocalTask) -> tuple[Any, Any]:
    from fl_client.training.prepared import prepared
    from fl_client.training.randomness import draw_batches

    batches = draw_batches(task.plan, task.site, task.round, len(task.windows))
    return prepared(task), batches


def test_one_seed_one_update() -> None:
    for privacy in (samples.PUBLIC, samples.WINDOW_PRIVACY):
        tasks = cohort(samples.plan(privacy, net=MLP), [21, 33])
        trainer = CohortTrainer(64)
        for one, other in zip(updates(trainer, tasks), updates(trainer, tasks), strict=True):
            assert equal(one, other)
