"""One contract for every trainer: the same task gives the same update, or the same refusal."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fl_client.training import LocalTask, Trainer, randomness
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for
from fl_client.training.stacked import local_round, ways
from fl_common.privacy import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, NetSpec, Refusal, RefusalReason, Task, Windows
from models.nets import parameters_of
from tests import samples
from tests.local_training import equal, local_task, own_net, train
from tests.unit.net_examples import EXAMPLES, NAMES, readings, spec_of

MAKERS: dict[str, Callable[[], Trainer]] = {
    "opacus": OpacusTrainer,
    "cohort": lambda: CohortTrainer(64),
}
TRAINERS = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
QUIET = replace(samples.WINDOW_PRIVACY, noise_multiplier=1e-6, clip_norm=0.5)
"""DP without noise that could hide a difference."""

PRIVACIES = pytest.mark.parametrize("privacy", [samples.PUBLIC, QUIET], ids=["plain", "dp"])
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.05},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.05},
    "proximal": {"proximal_mu": 0.5},
    "epochs": {"local_epochs": 3},
    "cosine": {"schedule": "cosine"},
}
MLP = NetSpec("models.nets.mlp.Mlp", {"hidden": [6, 5], "activation": "tanh"})


def cohort(plan: Any, counts: Sequence[int], round_: int = 2) -> list[LocalTask]:
    """Tasks of sites with so many windows each, all with the plan's fresh net."""
    parameters, task = parameters_of(net_for(plan)), plan.task
    tasks = []
    for place, count in enumerate(counts):
        labels = np.random.default_rng(place).integers(0, len(task.labels), count)
        blocks = np.zeros(count, np.int64)
        windows = Windows(readings(task, count, place), labels, blocks, ("day",))
        tasks.append(LocalTask(plan, f"site {place}", round_, parameters, windows))
    return tasks


def updates(trainer: Trainer, tasks: Sequence[LocalTask]) -> list[LocalUpdate]:
    answers = trainer.train(tasks)
    assert all(isinstance(answer, LocalUpdate) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, LocalUpdate)]


def assert_close(left: LocalUpdate, right: LocalUpdate, rtol: float, atol: float) -> None:
    """``atol`` is a share of the update's largest entry."""
    identity = ("site", "run", "round", "weight")
    assert [getattr(left, n) for n in identity] == [getattr(right, n) for n in identity]
    assert list(left.delta) == list(right.delta)
    largest = max(float(np.abs(array).max()) for array in right.delta.values())
    assert largest > 0
    for name, array in right.delta.items():
        assert left.delta[name].shape == array.shape
        assert left.delta[name].dtype == np.float32
        np.testing.assert_allclose(
            left.delta[name], array, rtol=rtol, atol=atol * largest, err_msg=name
        )


@PRIVACIES
@pytest.mark.parametrize(("name", "task"), EXAMPLES, ids=NAMES)
def test_every_net_gets_the_same_update(name: str, task: Task, privacy: Any) -> None:
    large = name == "mobilenet"
    if large and isinstance(privacy, PrivacyPlan):
        privacy = replace(privacy, steps=1)
    tasks = cohort(
        samples.plan(privacy, task=task, net=spec_of(name)), [8] if large else [21, 8, 33]
    )
    reference, trainer = updates(OpacusTrainer(), tasks), CohortTrainer(64)
    assert isinstance(trainer._way(tasks[0]), ways.ManySites)
    for found, right in zip(updates(trainer, tasks), reference, strict=True):
        # Normalised places of one pixel leave mobilenet's first layers little but rounding.
        assert_close(found, right, 1e-4, 1e-3 if large else 2e-5)


@PRIVACIES
@pytest.mark.parametrize("training", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_gets_the_same_update(training: dict[str, Any], privacy: Any) -> None:
    plan = samples.plan(privacy, training, net=MLP)
    tasks = cohort(plan, [21, 8, 33, 40])
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
    expected_batch = privacy.sampling_rate * count
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


def corrupt(task: LocalTask, fault: str) -> LocalTask:
    """The task with one thing wrong."""
    windows, plan = task.windows, task.plan
    if fault == "label":
        labels = windows.labels.copy()
        labels[3] = 99
        return replace(task, windows=replace(windows, labels=labels))
    if fault == "nan":
        values = windows.values.copy()
        values[3] = np.nan
        return replace(task, windows=replace(windows, values=values))
    if fault == "few":
        return replace(task, windows=windows.take(np.arange(2)))
    if fault == "parameters":
        return replace(task, parameters=dict(list(task.parameters.items())[:-1]))
    if fault == "delta":
        return replace(task, plan=replace(plan, privacy=replace(QUIET, delta=0.5)))
    assert fault == "diverges"
    return replace(
        task, plan=samples.plan(training={"learning_rate": 1e38, "local_epochs": 5}, net=MLP)
    )


FAULTS = {
    "label": RefusalReason.DATA,
    "nan": RefusalReason.DATA,
    "few": RefusalReason.DATA,
    "parameters": RefusalReason.PLAN,
    "delta": RefusalReason.PLAN,
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
    refusal = answers[1]
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.TRAINING
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
    assert "RuntimeError: sprung" in answers[1].detail
    for place in (0, 2):
        answer = answers[place]
        assert isinstance(answer, LocalUpdate)
        assert_close(answer, train(make(), tasks[place]), 1e-5, 1e-6)


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
            self.unused = nn.Linear(2, 2)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            once = torch.tanh(self.shared(values))
            logits: torch.Tensor = self.last(values + self.norm(self.shared(once)))
            return logits

    return Twice()


@pytest.mark.parametrize(
    ("body", "way"),
    [
        (lambda: nn.Sequential(Scaled(), nn.Linear(16, 3)), ways.OneByOne),
        (lambda: nn.Sequential(Branching(), nn.Linear(16, 3)), ways.OneByOne),
        (
            lambda: nn.Sequential(nn.Linear(16, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)),
            ways.OneByOne,
        ),
        (mixed, ways.ManySites),
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
    assert isinstance(trainer._way(tasks[0]), way)


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
    assert isinstance(trainer._way(task), ways.OneByOne)


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


def test_clipping_that_does_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fl_client.training.stacked.network.clip_factors", lambda norms, _: torch.ones_like(norms)
    )
    monkeypatch.setattr(ways, "_same_gradients", lambda *_: True)
    plan = samples.plan(replace(QUIET, clip_norm=1e-3), net=MLP)
    (answer,) = CohortTrainer(64).train(cohort(plan, [33]))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PRIVACY


def test_the_memory_budget_cuts_a_cohort_without_a_difference() -> None:
    tasks = cohort(samples.plan(QUIET, net=spec_of("mlp"), task=EXAMPLES[3][1]), [40] * 6)
    trainer = CohortTrainer(1)
    small, large = updates(trainer, tasks), updates(CohortTrainer(512), tasks)
    for one, other in zip(small, large, strict=True):
        assert_close(one, other, 1e-5, 1e-6)
    way = trainer._way(tasks[0])
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
