"""One round of local training for a stack of sites: DP-SGD or plain steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from fl_client.training import LocalTask
from fl_client.training.checked_noise import CheckedNoise
from fl_client.training.prepared import Prepared, net_for
from fl_client.training.randomness import drawn_for, noise_source
from fl_client.training.stacked.optimiser import optimiser_of, shape_gradients
from fl_client.training.stacked.schedule import Batches, Step, width_of
from fl_client.training.stacked.stack import Batch
from fl_common.errors import PrivacyViolation
from fl_common.privacy.mechanisms import SampleMechanism
from models.nets import trained_names

_ROUNDING = 1.001
"""Leeway for float32 in the guard of the clipped sum."""


class Gradients(Protocol):
    """What ``StackedNet`` and ``OneSiteNet`` compute."""

    def gradients(
        self,
        rows_SP: torch.Tensor,
        batch: Batch,
        clip_norm: float | None,
    ) -> torch.Tensor:
        """See ``StackedNet.gradients``."""
        ...


@dataclass(frozen=True)
class ReadyTask:
    """A checked task with its prepared windows and this round's batches."""

    task: LocalTask
    data: Prepared
    batches: Batches

    @cached_property
    def width(self) -> int:
        """The size that this site's batches are padded to in a stack."""
        is_private = self.task.plan.privacy.sample_mechanism is not None
        return width_of(self.batches, is_private)

    def is_like(self, other: "ReadyTask") -> bool:
        """Whether both can be in one stack: same plan, round, padding and frozen parameters."""
        mine, theirs = self.task, other.task
        same_plan = mine.plan is theirs.plan or mine.plan == theirs.plan
        same_step = same_plan and mine.round == theirs.round and self.width == other.width
        return same_step and _same_frozen(mine, theirs)


def _same_frozen(mine: LocalTask, theirs: LocalTask) -> bool:
    """Whether what is not trained is the same in two tasks of one plan."""
    one, other = mine.parameters, theirs.parameters
    if one is other:
        return True
    frozen = one.keys() - trained_names(net_for(mine.plan))
    return all(np.array_equal(one[name], other[name]) for name in frozen)


class Mechanism:
    """The Gaussian mechanism of every site of a stack, each with its own noise (Abadi et al. 2016).

    Raises:
        PrivacyViolation: in ``release`` where a sum is longer than clipping allows, in ``verify``
            where noise was not drawn as planned.
    """

    def __init__(self, plan: SampleMechanism, stack: Sequence[ReadyTask], size: int) -> None:
        self._plan, self._grid = plan, plan.grid(size)
        tasks = [ready.task for ready in stack]
        self._noise = [
            CheckedNoise(noise_source(*drawn), drawn_for(*drawn))
            for drawn in ((each.plan, each.site, each.round) for each in tasks)
        ]

    @property
    def bound(self) -> float:
        """The norm that each window's gradient is clipped to."""
        return self._grid.bound

    def release(self, sums_SP: torch.Tensor, sizes: tuple[int, ...]) -> None:
        """Turn clipped sums into noised means over the plan's expected batch, in place.

        The sizes of a site and of its batches are private, so they are not what it is divided by.
        """
        bounds_S = torch.tensor(sizes) * (self._plan.clip_norm * _ROUNDING)
        if bool((torch.linalg.vector_norm(sums_SP, dim=1) > bounds_S).any()):
            raise PrivacyViolation(
                f"clipped gradients sum to a norm above {self._plan.clip_norm} for each window:"
                " clipping did not run as planned. The update is withheld."
            )
        for sum_P, noise in zip(sums_SP, self._noise, strict=True):
            normals_P = noise.standard_normal(sum_P.numel())
            sum_P.copy_(torch.from_numpy(self._grid.noised(sum_P.numpy(), normals_P.numpy())))
        sums_SP.div_(self._plan.expected_batch)

    def verify(self, size: int) -> None:
        """Check every site's noise: ``size`` numbers in each step."""
        for noise in self._noise:
            noise.verify(self._plan.steps, size)


def train_stack(
    net: Gradients, stack: Sequence[ReadyTask], steps: Iterable[Step], global_SP: torch.Tensor
) -> torch.Tensor:
    """The sites' parameters after one round, shape (S, P); ``stack`` in order of falling steps.

    All tasks are of one plan and round. ``global_SP`` are the parameters to begin with.

    Raises:
        PrivacyViolation: the mechanism did not run as planned; nothing may be sent.
    """
    plan, round_ = stack[0].task.plan, stack[0].task.round
    inputs = _end_to_end([ready.data.inputs for ready in stack])
    targets = _end_to_end([ready.data.targets for ready in stack])
    planned = plan.privacy.sample_mechanism
    mechanism = Mechanism(planned, stack, global_SP.shape[1]) if planned else None
    clip_norm = mechanism.bound if mechanism else None
    optimiser = optimiser_of(plan.training, plan.learning_rate(round_))
    rows_SP = global_SP.clone()
    active_SP, active_global_SP = rows_SP, global_SP
    for chosen_N, weights_N, sizes, padded in steps:
        sites = len(sizes)
        if sites < active_SP.shape[0]:
            active_SP, active_global_SP = rows_SP[:sites], global_SP[:sites]
        if chosen_N.numel():
            chosen = inputs.index_select(0, chosen_N), targets.index_select(0, chosen_N)
            batch = Batch(*chosen, weights_N, sizes, padded)
            gradients_SP = net.gradients(active_SP, batch, clip_norm)
        else:
            gradients_SP = torch.zeros_like(active_SP)
        if mechanism:
            mechanism.release(gradients_SP, sizes)
        shape_gradients(gradients_SP, active_SP, active_global_SP, plan.training)
        optimiser.step(active_SP, gradients_SP)
    if mechanism:
        mechanism.verify(rows_SP.shape[1])
    return rows_SP


def _end_to_end(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
