"""Shared code of the peers: the prepared workload, a site's local training, and the outcome file.

Peers get every advantage: windows already normalised and in memory order, a network that is built
once per process, and no ledger, refusals, checkpoints, log or published model.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fl_common.plan import RunPlan
from fl_common.privacy.mechanisms import SampleMechanism
from models.nets import build_net

_EVALUATED_AT_ONCE = 1024

Tensors = list[torch.Tensor]
"""One tensor per parameter of the network's body, in the body's order."""
LocalWork = Callable[[Tensors, torch.Tensor, torch.Tensor], Tensors]
"""Global parameters, a site's inputs and labels -> the site's parameters after its training."""


@dataclass(frozen=True)
class Workload:
    """Inputs after the network's front end, site by site, and the plan that all systems follow.

    Site i has rows ``offsets[i]`` to ``offsets[i + 1]`` of ``inputs`` and ``labels``.
    """

    plan: RunPlan
    clients_per_round: int
    offsets: Sequence[int]
    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor

    @property
    def sites(self) -> int:
        """Number of sites."""
        return len(self.offsets) - 1

    def site(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and labels of one site."""
        rows = slice(self.offsets[position], self.offsets[position + 1])
        return self.inputs[rows], self.labels[rows]

    def weight(self, position: int) -> float:
        """The weight of a site's update: its windows, or 1 where the plan says uniform."""
        rows = self.offsets[position + 1] - self.offsets[position]
        return float(rows) if self.plan.privacy.weights == "examples" else 1.0


def load_workload(folder: Path) -> Workload:
    """The workload that ``benchmarks.prepare`` wrote; arrays are mapped, not copied."""
    facts = json.loads((folder / "workload.json").read_text())
    tensors = {
        name: torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c"))
        for name in ("inputs", "labels", "test_inputs", "test_labels")
    }
    plan = RunPlan.from_json(json.dumps(facts["plan"]))
    return Workload(plan, facts["clients_per_round"], facts["offsets"], **tensors)


def build_body(plan: RunPlan, seed: int) -> nn.Module:
    """The trainable part of the plan's network, initialised as this project does."""
    torch.set_num_threads(1)
    return build_net(plan.net, plan.task, seed).body


def parameters_of(body: nn.Module) -> Tensors:
    """Copies of the parameters."""
    return [parameter.detach().clone() for parameter in body.parameters()]


@torch.no_grad()
def set_parameters(body: nn.Module, values: Tensors) -> None:
    """Write ``values`` into the parameters."""
    for parameter, value in zip(body.parameters(), values, strict=True):
        parameter.copy_(value)


def local_work(plan: RunPlan, body: nn.Module, seed: int) -> LocalWork:
    """Training of one site on ``body``: by SGD, or by Opacus where the plan is private."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    if (mechanism := plan.privacy.sample_mechanism) is not None:
        return _opacus_work(plan, mechanism, body, generator)
    return _sgd_work(plan, body, generator)


def _sgd_work(plan: RunPlan, body: nn.Module, generator: torch.Generator) -> LocalWork:
    training = plan.training

    def work(start: Tensors, inputs: torch.Tensor, labels: torch.Tensor) -> Tensors:
        set_parameters(body, start)
        optimizer = torch.optim.SGD(body.parameters(), training.learning_rate, training.momentum)
        for _ in range(training.local_epochs):
            order = torch.randperm(len(labels), generator=generator)
            for rows in order.split(training.batch_size):
                optimizer.zero_grad()
                cross_entropy(body(inputs[rows]), labels[rows]).backward()
                optimizer.step()
        return parameters_of(body)

    return work


def _opacus_work(
    plan: RunPlan, privacy: SampleMechanism, body: nn.Module, generator: torch.Generator
) -> LocalWork:
    """Opacus without its data loader: hooks are attached once, not for every site and round."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    net, training = GradSampleModule(body), plan.training

    def work(start: Tensors, inputs: torch.Tensor, labels: torch.Tensor) -> Tensors:
        set_parameters(body, start)
        optimizer = DPOptimizer(
            torch.optim.SGD(net.parameters(), training.learning_rate, training.momentum),
            noise_multiplier=privacy.noise_multiplier,
            max_grad_norm=privacy.clip_norm,
            expected_batch_size=privacy.expected_batch,
        )
        for _ in range(privacy.steps):
            chosen = torch.rand(len(labels), generator=generator) < privacy.sampling_rate
            optimizer.zero_grad()
            cross_entropy(net(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
        return parameters_of(body)

    return work


@torch.inference_mode()
def accuracy(body: nn.Module, values: Tensors, workload: Workload) -> float:
    """Share of the central test set that the network with ``values`` predicts right."""
    set_parameters(body, values)
    right = 0
    for inputs, labels in zip(
        workload.test_inputs.split(_EVALUATED_AT_ONCE),
        workload.test_labels.split(_EVALUATED_AT_ONCE),
        strict=True,
    ):
        right += int((body(inputs).argmax(1) == labels).sum())
    return right / len(workload.test_labels)


@dataclass
class Stopwatch:
    """Times of one run.

    A round is sending, training and averaging; evaluation is between rounds.
    """

    rounds_s: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    _begun: float = field(default_factory=time.perf_counter)
    _loop_begun: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """A round begins; the first one begins the loop."""
        self._begun = time.perf_counter()
        if not self.rounds_s:
            self._loop_begun = self._begun

    def end(self) -> None:
        """A round has ended."""
        self.rounds_s.append(time.perf_counter() - self._begun)

    def outcome(self) -> dict[str, Any]:
        """The outcome for the benchmark: call it after the last round has been evaluated."""
        return {
            "rounds_s": self.rounds_s,
            "loop_s": time.perf_counter() - self._loop_begun,
            "accuracy": self.accuracies[-1],
        }


def arguments() -> argparse.ArgumentParser:
    """The options that every peer takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--outcome", type=Path, required=True)
    return parser


def write_outcome(path: Path, watch: Stopwatch) -> None:
    """Write the outcome for the benchmark."""
    path.write_text(json.dumps(watch.outcome()))
