"""Convolutions with their own kernel per site.

Kernels of different sites run one after another: a convolution is enough work for one call, and a
grouped one over all sites is no faster on a CPU.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fl_client.training.stacked.gradients import MatrixGradients
from fl_client.training.stacked.layers import StackedLayer, Written
from fl_client.training.stacked.rows import Slot
from fl_client.training.stacked.stack import Stack

_NATIVE_CHANNELS = 8
"""From so many on, torch's own kernels beat products with patches: for images, without DP."""


class StackedConvolution(StackedLayer):
    """``nn.Conv1d`` or ``nn.Conv2d`` with zero padding, on (N, C, *space).

    A kernel is a matrix on patches (im2col), so its per-sample gradients are a matrix'. Where no
    per-sample gradient is asked for, torch's own kernels do it if they are faster.
    """

    def __init__(
        self,
        stack: Stack,
        weight_slot: Slot,
        bias_slot: Slot | None,
        like: nn.Conv1d | nn.Conv2d,
    ) -> None:
        super().__init__(stack, weight_slot, bias_slot)
        self._kernel, self._stride, self._dilation = like.kernel_size, like.stride, like.dilation
        self._padding = tuple(int(each) for each in like.padding)
        self._groups = like.groups
        self._many_channels = like.in_channels >= _NATIVE_CHANNELS and len(like.kernel_size) > 1

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, C, *space) to (N, O, *space)."""
        kept = values.detach() if self._is_native() else self._patches(values.detach())
        output: torch.Tensor = _Convolve.apply(values, kept, self)  # type: ignore[no-untyped-call]
        return self.remember(kept, output)

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """The kernel's and the bias'."""
        native = self._is_native()
        patches = [self._patches(kept) if native else kept for kept in self.activations]
        backprops_NOT = _side_by_side([backprop.flatten(2) for backprop in backprops])
        kernels = _kernel_gradients(backprops_NOT, _side_by_side(patches), self._groups)
        written: Written = [(self.weight_sum, kernels)]
        if self.bias is not None:
            written.append((self.bias_sum, backprops_NOT.sum(2)))
        return written

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """By torch's own kernel, or as one product with patches."""
        if self._is_native():
            self.write_nothing()
            for activations, backprop in zip(self.activations, backprops, strict=True):
                self._add_native_sums(activations, backprop)
            return
        backprops_NOT = _side_by_side([backprop.flatten(2) for backprop in backprops])
        kernels = MatrixGradients(backprops_NOT, _side_by_side(self.activations))
        self.weight_sum.copy_(kernels.plain_sum(self.stack).view(self.weight_sum.shape))
        if self.bias is not None:
            self.bias_sum.copy_(self.stack.plain_sum(backprops_NOT.sum(2)))

    def convolve(self, values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """The output, from ``kept``: patches, or the values themselves; site by site."""
        biases = [None] * self.stack.sites if self.bias is None else self.bias
        space = self._space(values)
        output = values.new_empty(values.shape[0], self.weight.shape[1], *space)
        parts = (self.stack.split(kept), self.weight, biases, self.stack.split(output))
        for part, weight, bias, target in zip(*parts, strict=True):
            if self._is_native():
                target.copy_(self._native(part, weight, bias))
            else:
                _multiply(part, weight, bias, target.flatten(2))
        return output

    def input_gradient(self, backprop: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The gradient of ``values``, site by site."""
        parts = zip(self.stack.split(backprop), self.stack.split(values), self.weight, strict=True)
        wanted = [True, False, False]
        gradients = [self._backward(*part, wanted)[0] for part in parts if part[0].numel()]
        return gradients[0] if len(gradients) == 1 else torch.cat(gradients)

    def _add_native_sums(self, values: torch.Tensor, backprop: torch.Tensor) -> None:
        parts = zip(self.stack.split(backprop), self.stack.split(values), self.weight, strict=True)
        wanted = [False, True, self.bias is not None]
        for site, part in enumerate(parts):
            if part[0].numel():
                _, weight, bias = self._backward(*part, wanted)
                self.weight_sum[site] += weight
                if self.bias is not None:
                    self.bias_sum[site] += bias

    def _is_native(self) -> bool:
        return self._groups > 1 or (self._many_channels and not self.stack.private)

    def _native(
        self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return torch.convolution(
            values, weight, bias, self._stride, self._padding, self._dilation, False,
            [0] * len(self._stride), self._groups,
        )  # fmt: skip

    def _backward(
        self, backprop: torch.Tensor, values: torch.Tensor, weight: torch.Tensor, wanted: list[bool]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        gradients: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = (
            torch.ops.aten.convolution_backward(
                backprop, values, weight, [weight.shape[0]], self._stride, self._padding,
                self._dilation, False, [0] * len(self._stride), self._groups, wanted,
            )
        )  # fmt: skip
        return gradients

    def _space(self, values: torch.Tensor) -> tuple[int, ...]:
        """The output's size along each axis of space."""
        axes = zip(
            values.shape[2:], self._padding, self._dilation, self._kernel, self._stride, strict=True
        )
        return tuple((n + 2 * pad - dil * (k - 1) - 1) // step + 1 for n, pad, dil, k, step in axes)

    def _patches(self, values: torch.Tensor) -> torch.Tensor:
        """What each output place sees: (N, C * kernel, T), T the places of the output."""
        padding = [side for each in reversed(self._padding) for side in (each, each)]
        padded = functional.pad(values, padding) if any(padding) else values.contiguous()
        samples, channels, *steps = padded.stride()
        dilated = [step * each for step, each in zip(steps, self._dilation, strict=True)]
        strided = [step * each for step, each in zip(steps, self._stride, strict=True)]
        overlapping = padded.as_strided(
            (*values.shape[:2], *self._kernel, *self._space(values)),
            (samples, channels, *dilated, *strided),
        )
        return overlapping.flatten(2 + len(steps)).flatten(1, 1 + len(steps))


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, kept: torch.Tensor, layer: StackedConvolution
    ) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.layer = layer
        return layer.convolve(values, kept)

    @staticmethod
    def backward(ctx: Any, *backprops: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.layer.input_gradient(backprops[0], ctx.saved_tensors[0]), None, None


def _multiply(
    patches_BKT: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, into: torch.Tensor
) -> None:
    """``weight @ patches + bias``, written to ``into`` (B, O, T)."""
    weight_BOK = weight.flatten(1).expand(patches_BKT.shape[0], -1, -1)
    if bias is None:
        torch.bmm(weight_BOK, patches_BKT, out=into)
    else:
        torch.baddbmm(bias[:, None].expand(into.shape), weight_BOK, patches_BKT, out=into)


def _side_by_side(calls_NXT: list[torch.Tensor]) -> torch.Tensor:
    """The places of all calls in a row."""
    return calls_NXT[0] if len(calls_NXT) == 1 else torch.cat(calls_NXT, dim=2)


def _kernel_gradients(
    backprops_NOT: torch.Tensor, patches_NIT: torch.Tensor, groups: int
) -> MatrixGradients | torch.Tensor:
    if groups == 1:
        return MatrixGradients(backprops_NOT, patches_NIT)
    left = backprops_NOT.unflatten(1, (groups, -1)).flatten(0, 1)
    right = patches_NIT.unflatten(1, (groups, -1)).flatten(0, 1)
    product = torch.bmm(left, right.transpose(1, 2))
    return product.view(len(backprops_NOT), -1)
