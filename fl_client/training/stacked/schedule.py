"""The batches of all sites of a stack, step by step."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

_WIDTH_STEP = 16

Batches = Sequence[torch.Tensor]


class Step(NamedTuple):
    """One step of the first S sites: ``sizes`` samples of each, N in all.

    A row is an index into the sites' windows laid end to end; padding has weight 0.
    """

    rows_N: torch.Tensor
    weights_N: torch.Tensor
    sizes: tuple[int, ...]
    padded: bool


def width_of(batches: Batches, private: bool) -> int:
    """The size B that a site's batches are padded to: a function of this site only.

    So a site's arithmetic does not depend, to the last bit, on the others in its stack. Poisson
    batches have many sizes; padding in coarse steps gives many sites the same width.
    """
    largest = max(1, *(batch.numel() for batch in batches))
    return -(-largest // _WIDTH_STEP) * _WIDTH_STEP if private else largest


def exact_steps(
    batches_of: Sequence[Batches], windows: Sequence[int], mean: bool
) -> Iterator[Step]:
    """The batches of several sites as they are, empty ones too; sites in order of falling steps.

    ``windows`` are the sites' numbers of windows. ``mean`` weights each row by one over the size of
    its batch, else by 1. A site without steps left takes no part.
    """
    offsets = np.cumsum([0, *windows[:-1]]).tolist()
    for step in range(len(batches_of[0])):
        batches = [batches[step] for batches in batches_of if step < len(batches)]
        sizes = [batch.numel() for batch in batches]
        rows = [batch + offset for batch, offset in zip(batches, offsets, strict=False)]
        shares = [1 / max(size, 1) if mean else 1.0 for size in sizes]
        weights = np.repeat(np.array(shares, dtype=np.float32), sizes)
        yield Step(torch.cat(rows), torch.from_numpy(weights), tuple(sizes), False)


def padded_steps(
    batches_of: Sequence[Batches], windows: Sequence[int], width: int, mean: bool
) -> Iterator[Step]:
    """The same with every batch padded to ``width``, so that all sites are computed together."""
    sites, steps = len(batches_of), len(batches_of[0])
    lengths_S = np.array([len(batches) for batches in batches_of])
    sizes = np.array([batch.numel() for batches in batches_of for batch in batches])
    site_of = np.repeat(np.arange(sites), lengths_S)
    step_of = np.concatenate([np.arange(length) for length in lengths_S])
    first_of = (step_of * sites + site_of) * width
    places = np.repeat(first_of - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    offsets_S = np.cumsum([0, *windows[:-1]])
    chosen = torch.cat([batch for batches in batches_of for batch in batches]).numpy()
    rows = np.tile(np.repeat(offsets_S, width), steps)
    rows[places] += chosen
    weights = np.zeros(len(rows), dtype=np.float32)
    weights[places] = np.repeat(1 / np.maximum(sizes, 1), sizes) if mean else 1
    active_T = (lengths_S > np.arange(steps)[:, None]).sum(1).tolist()
    rows_TX = torch.from_numpy(rows).view(steps, -1)
    weights_TX = torch.from_numpy(weights).view(steps, -1)
    for rows_X, weights_X, active in zip(rows_TX, weights_TX, active_T, strict=True):
        size = active * width
        yield Step(rows_X[:size], weights_X[:size], (width,) * active, True)
