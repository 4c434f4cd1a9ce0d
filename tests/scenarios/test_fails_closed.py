"""Each known way to lose DP without a word ends in a refusal: nothing leaves the site.

The mechanism's half; the ledger's is in ``test_fails_closed_ledger``. Every test breaks one thing
under the real ``Participation`` and a real trainer, as on a device.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from opacus.optimizers.optimizer import DPOptimizer
from torch import nn

from fl_client.training import LocalTask
from fl_client.training import opacus as opacus_trainer
from fl_client.training.randomness import SystemNoise
from fl_client.training.stacked import backend as ways
from fl_client.training.stacked import local_round, network
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import epsilon_of
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason, Windows
from tests.support import samples
from tests.support.box import KINDS, Box, device_plan, trainer_of
from tests.support.local_training import own_net

MODULE = {"opacus": "fl_client.training.opacus", "cohort": "fl_client.training.cohort"}
NOISE = {"opacus": "fl_client.training.opacus", "cohort": local_round.__name__}
ONE_STEP = replace(samples.WINDOW_PRIVACY, steps=1)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def box(tmp_path: Path, kind: str) -> Box:
    return Box(tmp_path, trainer_of(kind))


def raises(*_: object, **__: object) -> None:
    raise NotImplementedError("no rule for this layer")


def test_nothing_is_wrong_with_the_box_itself(box: Box) -> None:
    for round_ in (1, 2, 3):
        assert isinstance(box.sends(device_plan(), round_), LocalUpdate)


def test_dp_that_can_not_be_set_up(box: Box, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"opacus": "GradSampleHooks", "cohort": "backend_for"}[kind]
    monkeypatch.setattr(f"{MODULE[kind]}.{name}", raises)
    answer = box.answer(device_plan())
    assert isinstance(answer, Refusal)
    assert answer.reason in (RefusalReason.PRIVACY, RefusalReason.TRAINING)


Draw = Callable[[RunPlan, str, int, int], list[torch.Tensor]]


def fixed_size(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    size = windows // 10
    return [torch.randperm(windows)[:size].sort().values for _ in range(20)]


def shuffled(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    passes = [torch.randperm(windows).split(windows // 10) for _ in range(2)]
    return [batch.sort().values for one_pass in passes for batch in one_pass]


def everything(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    return [torch.arange(windows)] * 20


def fewer_steps(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    return [(torch.rand(windows) < 0.1).nonzero().flatten() for _ in range(10)]


@pytest.mark.parametrize("draw", [fixed_size, shuffled, everything, fewer_steps])
def test_loader_that_is_not_poisson(
    box: Box, kind: str, monkeypatch: pytest.MonkeyPatch, draw: Draw
) -> None:
    box.windows = samples.windows(200)
    plan = device_plan(replace(samples.WINDOW_PRIVACY, steps=20, sampling_rate=0.1))
    box.sends(plan)
    monkeypatch.setattr(f"{MODULE[kind]}.draw_batches", draw)
    box.refuses(plan, RefusalReason.PRIVACY, 2)


def sum_unclipped(self: DPOptimizer) -> None:
    for parameter in self.params:
        parameter.summed_grad = parameter.grad_sample.sum(0)


def test_clipping_that_is_never_called(
    box: Box, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "opacus":
        monkeypatch.setattr(DPOptimizer, "clip_and_accumulate", sum_unclipped)
    else:
        monkeypatch.setattr(network, "clip_factors", lambda norms, _: torch.ones_like(norms))
        monkeypatch.setattr(ways, "_same_gradients", lambda *_: True)
    plan = device_plan(replace(samples.WINDOW_PRIVACY, clip_norm=0.01))
    box.refuses(plan, RefusalReason.PRIVACY)


def test_noise_multiplier_of_zero_is_no_plan() -> None:
    with pytest.raises(InvalidConfiguration, match=r"noise_multiplier=0.*privacy=none"):
        replace(samples.WINDOW_PRIVACY, noise_multiplier=0.0)
    text = device_plan().to_json().replace('"noise_multiplier":1.0', '"noise_multiplier":0.0')
    with pytest.raises(InvalidConfiguration, match=r"noise_multiplier=0"):
        RunPlan.from_json(text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_noise_multiplier_that_was_set_to_zero_behind_the_plans_back(box: Box) -> None:
    plan = device_plan(replace(samples.WINDOW_PRIVACY))
    object.__setattr__(plan.privacy, "noise_multiplier", 0.0)
    box.refuses(plan, RefusalReason.PLAN)
    assert box.trainer.tasks == []


def test_step_that_draws_no_noise(box: Box, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_average(self: Any, sums_SP: torch.Tensor, *_: object) -> None:
        sums_SP.div_(self._plan.expected_batch)

    def only_sum(self: Any) -> None:
        for parameter in self.params:
            parameter.grad = parameter.summed_grad

    if kind == "opacus":
        monkeypatch.setattr(opacus_trainer.PlannedOptimizer, "add_noise", only_sum)
    else:
        monkeypatch.setattr(local_round.Mechanism, "release", only_average)
    box.refuses(device_plan(), RefusalReason.PRIVACY)


@pytest.mark.parametrize("options", [{}, {"affine": False, "track_running_stats": False}])
def test_batch_norm(box: Box, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    net = own_net(
        monkeypatch, lambda: nn.Sequential(nn.BatchNorm1d(16, **options), nn.Linear(16, 3))
    )
    box.refuses(device_plan(net=net), RefusalReason.PRIVACY)
    assert box.spent() == 0.0


class Stuck:
    """A generator that gives the same numbers again and again."""

    def standard_normal(self, size: int) -> torch.Tensor:
        return torch.randn(size, generator=torch.Generator().manual_seed(3))


class Silent:
    """A generator that gives zeros."""

    def standard_normal(self, size: int) -> torch.Tensor:
        return torch.zeros(size)


class Faint:
    """A generator of a tenth of the noise."""

    def standard_normal(self, size: int) -> torch.Tensor:
        return 0.1 * SystemNoise().standard_normal(size)


@pytest.mark.parametrize("source", [Stuck, Silent, Faint])
def test_generator_that_is_frozen_silent_or_faint(
    box: Box, kind: str, monkeypatch: pytest.MonkeyPatch, source: type
) -> None:
    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", lambda *_: source())
    box.refuses(device_plan(), RefusalReason.PRIVACY)


def test_generator_that_is_frozen_from_round_to_round(
    box: Box, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", lambda *_: Stuck())
    plan = device_plan(replace(ONE_STEP, noise_multiplier=5.0))
    box.sends(plan)
    box.refuses(plan, RefusalReason.PRIVACY, 2)


class Repeating:
    """A trainer that trains once and then answers every round with that update."""

    def __init__(self, kind: str) -> None:
        self._trainer = trainer_of(kind)
        self._first: LocalUpdate | None = None

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        (task,) = cohort
        if self._first is None:
            (answer,) = self._trainer.train(cohort)
            assert isinstance(answer, LocalUpdate)
            self._first = answer
        return [replace(self._first, round=task.round, run=task.plan.run)]


def test_update_that_is_sent_twice(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, Repeating(kind))
    box.sends(device_plan())
    box.refuses(device_plan(), RefusalReason.PRIVACY, 2)
    box.refuses(device_plan(run="another"), RefusalReason.PRIVACY, 1)


def test_seeded_round_that_is_repeated_may_be_sent_again(box: Box) -> None:
    plan = samples.plan(samples.WINDOW_PRIVACY)
    first, again = box.sends(plan), box.sends(plan)
    assert all((first.delta[name] == again.delta[name]).all() for name in first.delta)
    assert len(list(box.ledger.entries("anna"))) == 1


def test_block_at_its_limit_is_not_trained_on(box: Box) -> None:
    limit = epsilon_of([ONE_STEP.spend_per_round], ONE_STEP.delta, "rdp")
    plan = device_plan(replace(ONE_STEP, epsilon_limit=limit))
    old, fresh = samples.windows(40, seed=1), samples.windows(30, seed=2)
    box.windows = old
    box.sends(plan)
    box.refuses(plan, RefusalReason.BUDGET, 2)
    box.windows = Windows(
        np.concatenate([old.values, fresh.values]),
        np.concatenate([old.labels, fresh.labels]),
        np.repeat([0, 1], [len(old), len(fresh)]),
        (*old.blocks, "fresh"),
    )
    box.sends(plan, 2)
    trained = box.trainer.tasks[-1].windows
    assert {trained.blocks[block] for block in trained.block_of} == {"fresh"}
    np.testing.assert_array_equal(trained.values, fresh.values)


def test_delta_that_is_not_below_one_over_the_windows_that_a_site_is_taken_to_have() -> None:
    with pytest.raises(InvalidConfiguration, match="n = 32 windows"):
        device_plan(replace(samples.WINDOW_PRIVACY, delta=1 / 32))
