"""Which site each row of a batch belongs to, and sums over each site's rows."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch


class Batch(NamedTuple):
    """One step's samples of S sites: N in all, those of each site in a row.

    ``inputs`` (N, ...) and ``targets_N`` (N, ...); a weight of 0 leaves a sample out. ``padded``
    where all ``sizes`` are one by design, and not by chance.
    """

    inputs: torch.Tensor
    targets_N: torch.Tensor
    weights_N: torch.Tensor
    sizes: tuple[int, ...]
    padded: bool


@dataclass
class Stack:
    """The state that all layers share in one step of S active sites.

    Padded batches are computed together. Others go through layers with parameters one site at a
    time, even if they happen to have one size, so that a site's bits don't depend on the others.
    """

    private: bool = False
    sizes: tuple[int, ...] = ()
    padded: bool = False
    site_of_row_N: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    @property
    def sites(self) -> int:
        """Number of active sites S."""
        return len(self.sizes)

    def begin(self, sizes: tuple[int, ...], padded: bool, private: bool) -> None:
        """Begin a step with ``sizes`` samples of the sites."""
        self.private, self.padded = private, padded
        if sizes != self.sizes:
            self.sizes = sizes
            sites = torch.arange(len(sizes))
            self.site_of_row_N = sites.repeat_interleave(torch.tensor(sizes))

    def split(self, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The rows (N, ...) of each site, as views."""
        parts: tuple[torch.Tensor, ...] = values.split(self.sizes)
        return parts

    def weighted_sum(self, values_NX: torch.Tensor, weights_N: torch.Tensor) -> torch.Tensor:
        """``sum_b weights[b] * values[b]`` over each site's rows, shape (S, X)."""
        if self.padded:
            rows = values_NX.shape[0] // self.sites
            values_SBX = values_NX.view(self.sites, rows, values_NX.shape[1])
            return torch.bmm(weights_N.view(self.sites, 1, -1), values_SBX).squeeze(1)
        parts = zip(self.split(weights_N), self.split(values_NX), strict=True)
        return torch.stack([weights_B @ values_BX for weights_B, values_BX in parts])

    def plain_sum(self, values_NX: torch.Tensor) -> torch.Tensor:
        """``sum_b values[b]`` over each site's rows, shape (S, X)."""
        if self.padded:
            return values_NX.view(self.sites, -1, values_NX.shape[1]).sum(1)
        return torch.stack([values_BX.sum(0) for values_BX in self.split(values_NX)])

    def sum_of_products(self, left_NOT: torch.Tensor, right_NIT: torch.Tensor) -> torch.Tensor:
        """``sum_bt left[b, o, t] * right[b, i, t]`` over each site's rows, shape (S, O, I)."""
        if self.padded:
            return _products(left_NOT, right_NIT, self.sites)
        parts = zip(self.split(left_NOT), self.split(right_NIT), strict=True)
        return torch.cat([_products(left, right, 1) for left, right in parts])


def _products(left_NOT: torch.Tensor, right_NIT: torch.Tensor, sites: int) -> torch.Tensor:
    rows, outputs, places = left_NOT.shape
    batch, inputs = rows // sites, right_NIT.shape[1]
    left_SOX = left_NOT.view(sites, batch, outputs, places).permute(0, 2, 1, 3)
    right_SXI = right_NIT.view(sites, batch, inputs, places).permute(0, 1, 3, 2)
    flat = batch * places
    return torch.bmm(left_SOX.reshape(sites, outputs, flat), right_SXI.reshape(sites, flat, inputs))
