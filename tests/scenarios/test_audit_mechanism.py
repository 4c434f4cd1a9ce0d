"""The audit's direct tests: each fault of the mechanism is named, and a sound one has none.

Where the site itself would refuse, its own check is switched off, so that the audit is alone.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fl_client.release import noised_counts
from fl_client.site import evaluation as evaluating
from fl_client.training import LocalTask, Trainer
from fl_client.training import opacus as opacus_module
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.randomness import NoiseSource, SeededNoise, SystemNoise, derive_seed
from fl_client.training.stacked import local_round
from fl_common.errors import RunFailed
from fl_common.plan import RunPlan
from fl_common.privacy.draws import DrawHistory
from fl_common.privacy.grid import GaussianGrid
from fl_common.vocabulary import Doubles, Evaluation, Windows
from simulate.audit.canaries import draw_canaries
from simulate.audit.checks import Check
from simulate.audit.evaluation_checks import check_evaluation
from simulate.audit.examination import examine
from simulate.audit.noise_checks import check_noise
from simulate.audit.probe import Examined
from simulate.audit.sampling_checks import check_sampling
from simulate.audit.sensitivity_checks import check_sensitivity
from tests.scenarios.test_audit import TASK, Doctored, SmallWorld, at_epsilon, without_clipping
from tests.support import samples

OWN = SmallWorld().windows(1)
CANARIES = draw_canaries("dirac", TASK, 64, 30.0, np.random.default_rng(3)).windows
TRAINERS: dict[str, Callable[[], Trainer]] = {
    "opacus": OpacusTrainer,
    "cohort": lambda: CohortTrainer(64),
}


def plan(seed: int | None) -> RunPlan:
    return replace(samples.plan(at_epsilon(8.0, 0.2, 3), task=TASK, rounds=3), seed=seed)


@pytest.fixture(params=[0, None], ids=["seed=0", "seed=null"])
def examined(request: pytest.FixtureRequest, tmp_path: Path) -> Examined:
    return Examined(plan(request.param), CohortTrainer(64), tmp_path)


def wrong(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.is_right is False]


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRAINERS)
def test_a_sound_mechanism_passes_all_of_them(kind: str, examined: Examined) -> None:
    folder = examined.folder / "probes"
    steps: list[str] = []
    checks = examine(examined.plan, TRAINERS[kind](), OWN, CANARIES, folder, steps.append)
    assert [check.is_right for check in checks] == [True] * 13
    assert steps == ["noise", "samples", "sensitivity", "evaluation"]
    assert not folder.exists()


@pytest.mark.parametrize("share", [0.5, 0.9, 1.2])
def test_noise_of_another_size(
    examined: Examined, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GaussianGrid.noised
    monkeypatch.setattr(GaussianGrid, "noised", lambda grid, s, n: real(grid, s, share * n))
    assert "noise: scale" in wrong(check_noise(examined, OWN))


def test_noise_that_is_not_added_to_an_empty_batch(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GaussianGrid.noised

    def noised(grid: GaussianGrid, sums: Doubles, normals: Doubles) -> Doubles:
        return real(grid, sums, normals) if np.any(sums) else real(grid, sums, 0 * normals)

    monkeypatch.setattr(GaussianGrid, "noised", noised)
    assert "noise: scale" in wrong(check_noise(examined, OWN))


def test_noise_of_a_fixed_seed(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_round, "noise_source", lambda *_: SeededNoise(42))
    with pytest.raises(RunFailed, match=r"refuses to be examined \(privacy\): .* DP mechanism"):
        check_noise(examined, OWN)
    monkeypatch.setattr(DrawHistory, "check", lambda *_: None)
    assert "noise: between rounds" in wrong(check_noise(examined, OWN))


def test_every_second_rounds_noise_again(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(plan: RunPlan, site: str, round_: int) -> NoiseSource:
        return SystemNoise() if round_ % 2 else SeededNoise(42)

    monkeypatch.setattr(local_round, "noise_source", source)
    monkeypatch.setattr(DrawHistory, "check", lambda *_: None)
    assert wrong(check_noise(examined, OWN)) == ["noise: between rounds"]


class Twice(SeededNoise):
    """The same number for each two parameters."""

    def standard_normal(self, size: int) -> torch.Tensor:
        return super().standard_normal((size + 1) // 2).repeat_interleave(2)[:size]


class Uniform:
    """Numbers of the right size, and of another shape."""

    def standard_normal(self, size: int) -> torch.Tensor:
        return (torch.rand(size) - 0.5) * 12**0.5


def test_noise_that_two_parameters_share(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(plan: RunPlan, site: str, round_: int) -> NoiseSource:
        return Twice(derive_seed(7, site, round_))

    monkeypatch.setattr(local_round, "noise_source", source)
    assert wrong(check_noise(examined, OWN)) == ["noise: between parameters"]


def test_noise_that_is_not_normal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step: the sum of many would be normal."""
    monkeypatch.setattr("simulate.audit.noise_checks._STEPS", 1)
    private = replace(at_epsilon(8.0, 0.2, 3), steps=1)
    one_step = samples.plan(private, task=TASK, seed=None)
    monkeypatch.setattr(local_round, "noise_source", lambda *_: Uniform())
    checks = check_noise(Examined(one_step, CohortTrainer(64), tmp_path), OWN)
    assert "noise: shape" in wrong(checks)


def shuffled(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    """Batches of one size, in which each window is as often as in a Poisson sample on average."""
    mechanism = plan.privacy.sample_mechanism
    assert mechanism is not None
    size, batches = round(windows * mechanism.sampling_rate), list[torch.Tensor]()
    while len(batches) < mechanism.steps:
        batches += torch.randperm(windows).split(size)[: windows // size]
    return batches[: mechanism.steps]


def the_same(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    """Poisson samples, and the same in each round."""
    mechanism = plan.privacy.sample_mechanism
    assert mechanism is not None
    drawn = torch.rand((mechanism.steps, windows), generator=torch.Generator().manual_seed(1))
    return [row.nonzero().flatten() for row in drawn < mechanism.sampling_rate]


def more(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    """Poisson samples at a higher rate."""
    mechanism = plan.privacy.sample_mechanism
    assert mechanism is not None
    drawn = torch.rand((mechanism.steps, windows)) < 1.2 * mechanism.sampling_rate
    return [row.nonzero().flatten() for row in drawn]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (shuffled, {"sampling: round sizes", "sampling: steps a window"}),
        (the_same, {"sampling: between rounds"}),
        (more, {"sampling: share"}),
    ],
)
def test_batches_that_are_not_poisson_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Any, named: set[str]
) -> None:
    monkeypatch.setattr(opacus_module, "draw_batches", draw)
    monkeypatch.setattr(opacus_module, "check_poisson", lambda *_: None)
    for seed in (0, None):
        checks = check_sampling(Examined(plan(seed), OpacusTrainer(), tmp_path), CANARIES)
        assert named <= set(wrong(checks))


@pytest.mark.slow
def test_gradients_that_are_not_clipped(tmp_path: Path) -> None:
    for seed in (0, None):
        loose = Examined(plan(seed), Doctored(without_clipping), tmp_path)
        assert "clipping: a window's part" in wrong(check_sampling(loose, CANARIES))
        assert wrong([check_sensitivity(loose, OWN, CANARIES)]) == ["sensitivity: one window"]


class MeanClipped(OpacusTrainer):
    """Clips one gradient of all windows, as a trainer without gradients of each would."""

    def train(self, cohort: Any) -> Any:
        return super().train([self._in_one(task) for task in cohort])

    def _in_one(self, task: LocalTask) -> LocalTask:
        mean = task.windows.values.mean(0, keepdims=True)
        values = np.repeat(mean, len(task.windows), 0)
        return replace(task, windows=replace(task.windows, values=values))


@pytest.mark.slow
def test_one_clipped_gradient_of_all_windows(tmp_path: Path) -> None:
    checks = check_sampling(Examined(plan(None), MeanClipped(), tmp_path), CANARIES)
    assert "clipping: a window's part" in wrong(checks)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.0])
def test_counts_with_half_the_noise_or_none(
    examined: Examined, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = noised_counts.standard_normals
    monkeypatch.setattr(noised_counts, "standard_normals", lambda *given: share * real(*given))
    monkeypatch.setattr(noised_counts, "check_standard_normal", lambda *_: None)
    monkeypatch.setattr(DrawHistory, "check", lambda *_: None)
    named = wrong(check_evaluation(examined, OWN))
    assert "evaluation: noise" in named
    assert ("evaluation: repeats" in named) == (share == 0.0)


@pytest.mark.slow
def test_counts_with_the_same_noise_every_second_time(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = iter(range(10_000))

    def normals(plan: RunPlan, site: str, round_: int, what: str, size: int) -> Doubles:
        seed = 42 if next(rounds) % 2 else None
        return np.random.default_rng(seed).standard_normal(size)

    monkeypatch.setattr(noised_counts, "standard_normals", normals)
    monkeypatch.setattr(DrawHistory, "check", lambda *_: None)
    assert "evaluation: repeats" in wrong(check_evaluation(examined, OWN))


@pytest.mark.slow
def test_a_loss_that_is_not_cut(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    real = evaluating.count

    def uncut(task: LocalTask, windows: Windows) -> Evaluation:
        without = replace(task.plan, evaluation=None)
        exact = real(replace(task, plan=without, is_checked=True), windows)
        return replace(exact, details=())

    monkeypatch.setattr(evaluating, "count", uncut)
    with pytest.raises(RunFailed, match="refuses to be examined"):
        check_evaluation(examined, OWN)
    monkeypatch.setattr(noised_counts, "_ROUNDING", 1e30)
    assert "evaluation: loss" in wrong(check_evaluation(examined, OWN))


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path) -> Any:
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
