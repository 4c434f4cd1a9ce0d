"""Batches and noise of one site in one round.

With a seed (simulation, tests) both are functions of (seed, run-independent site name, round), so a
repeated round repeats its mechanism to the bit and no result depends on the cohort. Without a seed
(a device) the batches come from a generator seeded by the operating system, and the noise from the
operating system's generator itself.
"""

import hashlib
import os
from collections.abc import Hashable
from typing import Protocol

import torch

from fl_common.plan import RunPlan
from fl_common.privacy.noise import system_normals


class NoiseSource(Protocol):
    """Standard normal numbers for the Gaussian mechanism."""

    def standard_normal(self, size: int) -> torch.Tensor:
        """Shape (size,), float32 or float64."""
        ...


class SeededNoise:
    """Repeatable noise, for simulation and tests only: anyone who knows the seed can remove it."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def standard_normal(self, size: int) -> torch.Tensor:
        """Shape (size,), float32."""
        return torch.randn(size, generator=self._generator)


class SystemNoise:
    """Noise from the operating system: see ``fl_common.privacy.noise``."""

    def standard_normal(self, size: int) -> torch.Tensor:
        """Shape (size,), float64: finer than the grid that it is rounded to."""
        return torch.from_numpy(system_normals(size))


def noise_source(plan: RunPlan, site: str, round_: int) -> NoiseSource:
    """Seeded if the plan has a seed, else the operating system's."""
    if plan.seed is None:
        return SystemNoise()
    return SeededNoise(derive_seed(plan.seed, "noise", site, round_))


def drawn_for(plan: RunPlan, site: str, round_: int) -> Hashable | None:
    """What ``noise_source`` draws for, if it may draw the same again; None without a seed."""
    return None if plan.seed is None else ("update", plan.seed, site, round_)


def draw_batches(plan: RunPlan, site: str, round_: int, windows: int) -> list[torch.Tensor]:
    """Row indices (int64, ascending under DP) of every step of one round, in order.

    Under DP: ``steps`` Poisson samples, each window with probability ``sampling_rate`` (a batch may
    be empty, and its noise is still added). Without: ``local_epochs`` shuffled passes.
    """
    generator = torch.Generator()
    seed = int.from_bytes(os.urandom(8), "little") >> 1
    if plan.seed is not None:
        seed = derive_seed(plan.seed, "batches", site, round_)
    generator.manual_seed(seed)
    if (mechanism := plan.privacy.sample_mechanism) is not None:
        rate = mechanism.sampling_rate
        masks_N = (torch.rand(windows, generator=generator) < rate for _ in range(mechanism.steps))
        return [mask_N.nonzero().flatten() for mask_N in masks_N]
    if not windows:
        return []
    epochs = [
        torch.randperm(windows, generator=generator) for _ in range(plan.training.local_epochs)
    ]
    return [batch for order in epochs for batch in order.split(plan.training.batch_size)]


def derive_seed(seed: int, *parts: object) -> int:
    """A 63-bit seed from a seed and any names: sha256, so that neighbours are independent."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
