"""The peers of the benchmark do the same work as this project's own trainers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.measuring.limits import operations_per_update, windows_per_update
from benchmarks.peers.bare import weighted_sum
from benchmarks.peers.work import Workload, build_body, local_work, parameters_of
from fl_client.training import LocalTask, Trainer
from fl_client.training.opacus import OpacusTrainer
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate
from models.nets import build_net
from models.nets import parameters_of as named_parameters_of
from tests.support import samples

# One batch holds all windows and the noise is next to nothing, so that chance plays no part.
WHOLE = samples.plan(training={"batch_size": 32, "local_epochs": 3})
NEARLY_NOISELESS = samples.plan(
    privacy=replace(samples.WINDOW_PRIVACY, noise_multiplier=1e-6, sampling_rate=1.0, clip_norm=0.5)
)


def workload(plan: RunPlan, sites: int) -> Workload:
    parts = [samples.windows(32, seed=site) for site in range(sites)]
    net = build_net(plan.net, plan.task)
    inputs = torch.cat([net.front(torch.from_numpy(part.values)) for part in parts])
    labels = torch.from_numpy(np.concatenate([part.labels for part in parts]))
    offsets = [32 * site for site in range(sites + 1)]
    return Workload(plan, sites, offsets, inputs, labels, inputs, labels)


def changes_of(trainer: Trainer, plan: RunPlan, site: int) -> list[torch.Tensor]:
    parameters = named_parameters_of(build_net(plan.net, plan.task, seed=0))
    task = LocalTask(plan, "a", 1, parameters, samples.windows(32, seed=site))
    (update,) = trainer.train([task])
    assert isinstance(update, LocalUpdate)
    return [torch.from_numpy(array) for array in update.delta.values()]


def for_peer(plan: RunPlan) -> RunPlan:
    """The plan of a system that keeps nothing of the clip norm for rounding, clipping as we do."""
    mechanism = plan.privacy.sample_mechanism
    if mechanism is None:
        return plan
    return replace(plan, privacy=replace(plan.privacy, clip_norm=mechanism.grid(1).bound))


@pytest.mark.slow
@pytest.mark.parametrize("plan", [WHOLE, NEARLY_NOISELESS], ids=["sgd", "opacus"])
def test_a_site_trains_as_in_this_project(plan: RunPlan) -> None:
    body = build_body(plan, seed=0)
    start = parameters_of(body)
    trained = local_work(for_peer(plan), body, seed=0)(start, *workload(plan, 2).site(1))
    expected = changes_of(OpacusTrainer(), plan, site=1)
    for after, before, change in zip(trained, start, expected, strict=True):
        torch.testing.assert_close(after - before, change, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("plan", "total"), [(WHOLE, 64.0), (NEARLY_NOISELESS, 2.0)])
def test_weights_are_those_that_the_plan_declares(plan: RunPlan, total: float) -> None:
    world = workload(plan, 2)

    def unchanged(
        start: list[torch.Tensor], inputs: torch.Tensor, labels: torch.Tensor
    ) -> list[torch.Tensor]:
        return [torch.ones_like(value) for value in start]

    (sums,) = weighted_sum(world, unchanged, [torch.zeros(3)], [0, 1])
    assert sums.tolist() == [total] * 3


def test_operations_are_those_of_all_passes_over_a_site() -> None:
    world = workload(WHOLE, 2)
    assert windows_per_update(world) == 32 * 3
    # Logistic regression: a product forward, and one for the weights backward.
    assert operations_per_update(world) == 32 * 3 * (2 * 2 * 16 * 3)


def test_a_private_update_takes_its_steps_samples() -> None:
    assert windows_per_update(workload(samples.plan(samples.WINDOW_PRIVACY), 2)) == 32 * 0.25 * 4
