"""Convolutions with their own kernel per site.

Torch's kernels run on all sites of a padded batch at once, each site a group of channels, and on
others site by site; in memory channels come last, which they are fastest with. Small convolutions
under DP are products with patches (im2col), which per-sample gradients need in any case.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from fl_client.training.stacked.gradients import MatrixGradients
from fl_client.training.stacked.layers import StackedLayer, Written
from fl_client.training.stacked.patches import Geometry, as_groups, blank_groups, from_groups
from fl_client.training.stacked.rows import ParameterRange
from fl_client.training.stacked.stack import Stack

_LARGE_PATCH = 256
"""Entries of a patch from which on torch's kernel beats the product, though patches are needed."""


class _Run(NamedTuple):
    """Rows that one call computes, of ``sites`` from the ``first`` on, with their parameters."""

    rows: tuple[torch.Tensor, ...]
    first: int
    sites: int
    weight: torch.Tensor
    bias: torch.Tensor | None


class StackedConvolution(StackedLayer):
    """``nn.Conv1d`` or ``nn.Conv2d`` with zero padding, on (N, C, *space)."""

    def __init__(
        self,
        stack: Stack,
        weight_slot: ParameterRange,
        bias_slot: ParameterRange | None,
        like: nn.Conv1d | nn.Conv2d,
    ) -> None:
        super().__init__(stack, weight_slot, bias_slot)
        self._geometry, self._groups = Geometry.of(like), like.groups
        self._entries = math.prod(like.kernel_size) * like.in_channels
        self._is_small = like.groups == 1 and self._entries < _LARGE_PATCH
        self._channels_last = like.groups == 1 and like.in_channels > 1
        self._grouped: list[list[torch.Tensor]] = []

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, C, *space) to (N, O, *space)."""
        kept = values.detach()
        if self.stack.private:  # patches now or later, and those are faster with channels last
            kept = self._patches(kept) if self._is_small else as_groups(kept, 1)
        call = len(self.outputs)
        output: torch.Tensor = _Convolve.apply(values, kept, self, call)  # type: ignore[no-untyped-call]
        return self.remember(kept, output)

    def forget(self) -> None:
        """Drop the calls."""
        super().forget()
        self._grouped.clear()

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """The kernel's as factors, the bias' summed over places."""
        backprops_NOT = _side_by_side([backprop.flatten(2) for backprop in backprops])
        kernels: MatrixGradients | torch.Tensor
        if self._groups == 1:
            kernels = MatrixGradients(backprops_NOT, self._seen, self._entries)
        else:
            kernels = self._group_by_group(backprops_NOT)
        written: Written = [(self._patch_order(self.weight_sum), kernels)]
        if self.bias is not None:
            written.append((self.bias_sum, backprops_NOT.sum(2)))
        return written

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """By torch's kernel, in the same call as the gradient of the values where there is one."""
        self.write_nothing()
        for call, (values, backprop) in enumerate(zip(self.activations, backprops, strict=True)):
            if call not in self.early:
                self.backward(call, backprop, values, wants_values=False)
            weight, bias = self.early[call]
            self.weight_sum.add_(weight)
            if self.bias is not None:
                self.bias_sum.add_(bias)

    def convolve(self, values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """The output, from ``kept``: patches, or the values themselves."""
        space = self._geometry.places(values)[4 - values.dim() :]
        output = values.new_empty(values.shape[0], self.weight.shape[1], *space)
        if self.stack.private and self._is_small:
            self._multiply(kept, output.flatten(2))
            return output
        grouped, geometry = [], self._geometry
        for run in self._runs(kept, output):
            part, target = run.rows
            grouped.append(as_groups(part, run.sites))
            together = torch.convolution(
                grouped[-1], run.weight, run.bias, geometry.stride, geometry.padding,
                geometry.dilation, False, [0, 0], self._groups * run.sites,
            )  # fmt: skip
            from_groups(together, target, run.sites)
        self._grouped.append(grouped)
        return output

    def backward(
        self, call: int, backprop: torch.Tensor, values: torch.Tensor, *, wants_values: bool = True
    ) -> torch.Tensor:
        """The gradient of ``values``; without DP the parameters' sums are kept beside it."""
        geometry, wants_sums = self._geometry, not self.stack.private
        wanted = [wants_values, wants_sums, wants_sums and self.bias is not None]
        gradient = torch.empty_like(values) if wants_values else values
        sums = self._no_sums() if wants_sums else None
        for place, run in enumerate(self._runs(backprop, values, gradient)):
            grown, part, target = run.rows
            is_kept = bool(self._grouped)  # else only the values' shape is asked for
            kept = self._grouped[call][place] if is_kept else blank_groups(part, run.sites)
            found = torch.ops.aten.convolution_backward(
                as_groups(grown, run.sites), kept, run.weight, [len(run.weight)], geometry.stride,
                geometry.padding, geometry.dilation, False, [0, 0], self._groups * run.sites,
                wanted,
            )  # fmt: skip
            if wants_values:
                from_groups(found[0], target, run.sites)
            if sums:
                _put(found[1], sums[0], run)
                _put(found[2], sums[1], run)
        if sums:
            self.early[call] = sums
        return gradient

    def _no_sums(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Zeros in the form of weight and bias; an empty bias where there is none."""
        weight = self.weight.new_zeros(self.weight.shape)
        bias = weight.new_empty(0) if self.bias is None else weight.new_zeros(self.bias.shape)
        return weight, bias

    def _runs(self, *values: torch.Tensor) -> Iterator[_Run]:
        """All sites where the batch is padded, else one after another."""
        shape = (-1, self.weight.shape[2], *self._geometry.kernel)
        if self.stack.padded:
            bias = None if self.bias is None else self.bias.flatten()
            yield _Run(values, 0, self.stack.sites, self.weight.reshape(shape), bias)
            return
        biases = [None] * self.stack.sites if self.bias is None else self.bias
        parts = zip(*map(self.stack.split, values), strict=True)
        for site, own in enumerate(zip(parts, self.weight, biases, strict=True)):
            part, weight, bias = own
            if len(part[0]):
                yield _Run(part, site, 1, weight.reshape(shape), bias)

    def _multiply(self, patches_NIT: torch.Tensor, into_NOT: torch.Tensor) -> None:
        """``weight @ patches + bias``, site by site, written to ``into_NOT``."""
        kernels_SOI = self._patch_order(self.weight).flatten(2)
        biases = [None] * self.stack.sites if self.bias is None else self.bias
        parts = (self.stack.split(patches_NIT), kernels_SOI, biases, self.stack.split(into_NOT))
        for patches_BIT, kernel_OI, bias_O, into_BOT in zip(*parts, strict=True):
            kernel_BOI = kernel_OI.expand(len(patches_BIT), -1, -1)
            if bias_O is None:
                torch.bmm(kernel_BOI, patches_BIT, out=into_BOT)
            else:
                bias_BOT = bias_O[:, None].expand(into_BOT.shape)
                torch.baddbmm(bias_BOT, kernel_BOI, patches_BIT, out=into_BOT)

    def _patches(self, values: torch.Tensor) -> torch.Tensor:
        return self._geometry.patches(values, channels_last=self._channels_last)

    def _patch_order(self, kernels: torch.Tensor) -> torch.Tensor:
        """A view of kernels (S, O, C, *kernel) with their entries in the order of a patch's."""
        return kernels.movedim(2, -1) if self._channels_last else kernels

    def _seen(self, rows: slice) -> torch.Tensor:
        """The patches of some samples, those of all calls side by side."""
        kept = [each[rows] for each in self.activations]
        return _side_by_side(kept if self._is_small else [self._patches(each) for each in kept])

    def _group_by_group(self, backprops_NOT: torch.Tensor) -> torch.Tensor:
        """Each sample's gradient of a grouped kernel, (N, entries)."""
        left = backprops_NOT.unflatten(1, (self._groups, -1)).flatten(0, 1)
        right = self._seen(slice(None)).unflatten(1, (self._groups, -1)).flatten(0, 1)
        return torch.bmm(left, right.transpose(1, 2)).view(len(backprops_NOT), -1)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, kept: torch.Tensor, layer: StackedConvolution, call: int
    ) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.layer, ctx.call = layer, call
        return layer.convolve(values, kept)

    @staticmethod
    def backward(ctx: Any, *backprops: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (values,) = ctx.saved_tensors
        return ctx.layer.backward(ctx.call, backprops[0], values), None, None, None


def _put(sums: torch.Tensor | None, into: torch.Tensor, run: _Run) -> None:
    """Write the sums of a run's sites, where there are any, to their places."""
    if sums is not None:
        sites = slice(run.first, run.first + run.sites)
        into[sites] = sums.view(run.sites, *into.shape[1:])


def _side_by_side(calls_NXT: list[torch.Tensor]) -> torch.Tensor:
    """The places of all calls in a row."""
    return calls_NXT[0] if len(calls_NXT) == 1 else torch.cat(calls_NXT, dim=2)
