"""What goes wrong at one site is refused alike by every trainer, and touches no other site."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fl_client.training import LocalTask, Trainer, randomness
from fl_client.training.checks import RAISED
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.stacked import local_round
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from tests.support import samples
from tests.support.local_training import local_task, own_net, train
from tests.support.trainers import MAKERS, MLP, PRIVACIES, TRAINERS, assert_close, cohort


def corrupt(task: LocalTask, fault: str) -> LocalTask:
    """The task with one thing wrong."""
    windows = task.windows
    if fault == "label":
        labels = windows.labels.copy()
        labels[3] = 99
        return replace(task, windows=replace(windows, labels=labels))
    if fault == "nan":
        values = windows.values.copy()
        values[3] = np.nan
        return replace(task, windows=replace(windows, values=values))
    if fault == "none":
        return replace(task, windows=windows.take(np.arange(0)))
    if fault == "parameters":
        return replace(task, parameters=dict(list(task.parameters.items())[:-1]))
    assert fault == "diverges"
    return replace(
        task, plan=samples.plan(training={"learning_rate": 1e38, "local_epochs": 5}, net=MLP)
    )


FAULTS = {
    "label": RefusalReason.DATA,
    "nan": RefusalReason.DATA,
    "none": RefusalReason.DATA,
    "parameters": RefusalReason.PLAN,
    "diverges": RefusalReason.TRAINING,
}


@TRAINERS
@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_fault_of_one_site_is_its_own(
    make: Callable[[], Trainer], fault: str, reason: RefusalReason
) -> None:
    tasks = cohort(samples.plan(net=MLP), [21, 33, 8])
    tasks[1] = corrupt(tasks[1], fault)
    answers = make().train(tasks)
    refusal = OpacusTrainer().train([tasks[1]])[0]
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert answers[1] == refusal
    for place in (0, 2):
        answer = answers[place]
        assert isinstance(answer, LocalUpdate)
        assert_close(answer, train(make(), tasks[place]), 1e-5, 1e-6)


@TRAINERS
@PRIVACIES
def test_one_site_that_diverges_leaves_its_stack_alone(
    make: Callable[[], Trainer], privacy: Any
) -> None:
    tasks = cohort(samples.plan(privacy, net=MLP), [21, 21, 21])
    huge = {name: np.full_like(array, 3e38) for name, array in tasks[1].parameters.items()}
    tasks[1] = replace(tasks[1], parameters=huge)
    answers = make().train(tasks)
    if privacy.guarantee is None:
        refusal = answers[1]
        assert isinstance(refusal, Refusal)
        assert refusal.reason is RefusalReason.TRAINING
    else:  # whether a gradient is finite depends on private data: what is not counts as zero
        assert isinstance(answers[1], LocalUpdate)
    for place in (0, 2):
        answer = answers[place]
        assert isinstance(answer, LocalUpdate)
        assert_close(answer, train(make(), tasks[place]), 1e-5, 1e-6)


class Trap(nn.Module):
    """Raises where a value is the marker."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if bool((values == 77.0).any()):
            raise RuntimeError("sprung")
        return values


@TRAINERS
@PRIVACIES
def test_one_site_that_raises_is_refused_alone(
    make: Callable[[], Trainer], privacy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = own_net(monkeypatch, lambda: nn.Sequential(Trap(), nn.Linear(16, 3)))
    plan = samples.plan(privacy, net=spec)
    tasks = [local_task(plan, site) for site in ("anna", "bert", "cora")]
    values = tasks[1].windows.values.copy()
    values[:] = 77.0
    tasks[1] = replace(tasks[1], windows=replace(tasks[1].windows, values=values))
    answers = make().train(tasks)
    assert isinstance(answers[1], Refusal)
    assert answers[1].reason is RefusalReason.TRAINING
    assert answers[1].detail == RAISED
    for place in (0, 2):
        answer = answers[place]
        assert isinstance(answer, LocalUpdate)
        assert_close(answer, train(make(), tasks[place]), 1e-5, 1e-6)


class Silent:
    def standard_normal(self, size: int) -> torch.Tensor:
        return torch.zeros(size)


@pytest.mark.parametrize("module", ["fl_client.training.opacus", local_round.__name__])
def test_missing_noise_is_refused(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{module}.noise_source", lambda *_: Silent())
    make = OpacusTrainer if module.endswith("opacus") else MAKERS["cohort"]
    (answer,) = make().train(cohort(samples.plan(samples.WINDOW_PRIVACY, net=MLP), [33]))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PRIVACY


def test_one_sites_missing_noise_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    real = randomness.noise_source
    monkeypatch.setattr(
        local_round,
        "noise_source",
        lambda plan, site, round_: Silent() if site == "site 1" else real(plan, site, round_),
    )
    tasks = cohort(samples.plan(samples.WINDOW_PRIVACY, net=MLP), [33, 33, 33])
    answers = CohortTrainer(64).train(tasks)
    assert [isinstance(answer, Refusal) for answer in answers] == [False, True, False]
