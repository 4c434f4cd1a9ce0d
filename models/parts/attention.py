"""Parts of a transformer encoder: linear layers and products alone, which DP-SGD can train."""

import math

import torch
from torch import nn


class Patches(nn.Module):
    """Normalised series (N, T, C) to (N, T // readings, readings * C + places).

    Each patch is ``readings`` consecutive readings of all channels, and ``places`` sines and
    cosines of its position (Vaswani et al. 2017, section 3.5). Readings left over are not used.
    """

    positions: torch.Tensor

    def __init__(self, length: int, readings: int, places: int) -> None:
        super().__init__()
        self.readings, self.count = readings, length // readings
        self.register_buffer("positions", _positions(self.count, places))

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Patches (N, P, I)."""
        used_NTC = values_NTC[:, : self.count * self.readings]
        patches_NPX = used_NTC.reshape(-1, self.count, self.readings * values_NTC.shape[2])
        places_NPY = torch.zeros_like(patches_NPX[:, :, :1]) + self.positions
        return torch.cat([patches_NPX, places_NPY], dim=2)


class Adapted(nn.Module):
    """A square linear layer, and beside it a product of two thin matrices (Hu et al. 2021: LoRA).

    The second matrix begins at zero, so that at first the layer is as it was.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.whole = nn.Linear(width, width)
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        adapted: torch.Tensor = self.whole(values) + self.up(self.down(values))
        return adapted


class Attention(nn.Module):
    """Self-attention with ``heads`` (Vaswani et al. 2017); the queries and values may be adapted.

    ``rank`` is that of the adapters; None: there are none.
    """

    def __init__(self, width: int, heads: int, rank: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.value = _linear(width, rank), _linear(width, rank)
        self.key, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, values_NPW: torch.Tensor) -> torch.Tensor:
        """(N, P, W) to the same shape."""
        query, key, value = (
            self._split(layer(values_NPW)) for layer in (self.query, self.key, self.value)
        )
        scores_NHPP = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        joined_NPW: torch.Tensor = (scores_NHPP.softmax(3) @ value).transpose(1, 2).flatten(2)
        mixed_NPW: torch.Tensor = self.out(joined_NPW)
        return mixed_NPW

    def _split(self, values_NPW: torch.Tensor) -> torch.Tensor:
        """(N, heads, P, W / heads)."""
        split_NHPX: torch.Tensor = values_NPW.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return split_NHPX


class Block(nn.Module):
    """Attention and two linear layers, each added to what it was given, normalised before."""

    def __init__(self, width: int, heads: int, rank: int | None) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads, rank))
        self.each = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, values_NPW: torch.Tensor) -> torch.Tensor:
        """(N, P, W) to the same shape."""
        seen_NPW: torch.Tensor = values_NPW + self.attention(values_NPW)
        changed_NPW: torch.Tensor = seen_NPW + self.each(seen_NPW)
        return changed_NPW


class MeanOverPatches(nn.Module):
    """(N, P, W) to (N, W)."""

    def forward(self, values_NPW: torch.Tensor) -> torch.Tensor:
        """The mean over patches."""
        return values_NPW.mean(1)


def freeze_but_adapters(module: nn.Module) -> None:
    """Freeze all parameters of ``module`` but those of its adapters."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, Adapted):
            part.down.requires_grad_(True)
            part.up.requires_grad_(True)


def _linear(width: int, rank: int | None) -> nn.Module:
    return nn.Linear(width, width) if rank is None else Adapted(width, rank)


def _positions(count: int, places: int) -> torch.Tensor:
    """Sines and cosines (count, places) of wavelengths from 2 pi up to about 100 patches."""
    waves = 100 ** (-torch.arange(0, places, 2) / max(places, 1))
    angles_PW = torch.arange(count)[:, None] * waves
    return torch.cat([angles_PW.sin(), angles_PW.cos()], dim=1)[:, :places]
