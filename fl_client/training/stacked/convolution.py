"""Convolutions with their own kernel per site.

Kernels of different sites run one after another: a convolution is enough work for one call, and a
grouped one over all sites is no faster on a CPU.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fl_client.training.stacked.gradients import MatrixGradients, SampleGradients, VectorGradients
from fl_client.training.stacked.layers import Stack, StackedLayer
from fl_client.training.stacked.rows import Slot

_NATIVE_CHANNELS = 8
"""From so many input channels on, torch's own kernels beat products with patches without DP."""


class StackedConvolution(StackedLayer):
    """``nn.Conv1d`` or ``nn.Conv2d`` with zero padding, on (N, C, *space).

    A kernel is a matrix on patches (im2col), so its per-sample gradients are a matrix'. Where no
    per-sample gradient is asked for, torch's own kernels do it if they are faster.
    """

    def __init__(
        self, stack: Stack, weight: Slot, bias: Slot | None, like: nn.Conv1d | nn.Conv2d
    ) -> None:
        super().__init__(stack, weight, bias)
        self._kernel, self._stride, self._dilation = like.kernel_size, like.stride, like.dilation
        self._padding = tuple(int(each) for each in like.padding)
        self._groups = like.groups
        self._many_channels = like.in_channels >= _NATIVE_CHANNELS

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, C, *space) to (N, O, *space)."""
        kept = values.detach() if self._is_native() else self._patches(values.detach())
        output: torch.Tensor = _Convolve.apply(values, kept, self)  # type: ignore[no-untyped-call]
        return self.remember(kept, output)

    def sample_gradients(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, SampleGradients]]:
        """The kernel's and the bias'."""
        native = self._is_native()
        patches = [self._patches(kept) if native else kept for kept in self.activations]
        patches_NIT = patches[0] if len(patches) == 1 else torch.cat(patches, dim=2)
        flat = [backprop.flatten(2) for backprop in backprops]
        backprops_NOT = flat[0] if len(flat) == 1 else torch.cat(flat, dim=2)
        gradients = [(self.weight, _kernel_gradients(backprops_NOT, patches_NIT, self._groups))]
        if self.bias is not None:
            gradients.append((self.bias, VectorGradients(backprops_NOT.sum(2))))
        return gradients

    def site_sums(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, torch.Tensor]]:
        """See ``StackedLayer``."""
        if not self._is_native():
            return super().site_sums(backprops)
        sites = self.stack.sites
        weight_SX = self.stack.rows_SP.new_zeros(sites, self.weight.shape.numel())
        bias_SO = self.stack.rows_SP.new_zeros(sites, self.weight.shape[0])
        for activations, backprop in zip(self.activations, backprops, strict=True):
            parts = zip(
                self._kernels(), backprop.chunk(sites), activations.chunk(sites), strict=True
            )
            for site, (kernel, backprop_part, part) in enumerate(parts):
                _, weight, bias = self._backward(
                    backprop_part, part, kernel[0], [False, True, True]
                )
                weight_SX[site] += weight.flatten()
                bias_SO[site] += bias
        sums = [(self.weight, weight_SX)]
        return sums if self.bias is None else [*sums, (self.bias, bias_SO)]

    def convolve(self, values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """The output, from ``kept``: patches, or the values themselves."""
        output = values.new_empty(len(values), self.weight.shape[0], *self._space(values))
        sites = self.stack.sites
        parts = zip(self._kernels(), kept.chunk(sites), output.chunk(sites), strict=True)
        for (weight, bias), part, target in parts:
            if self._is_native():
                target.copy_(self._native(part, weight, bias))
            else:
                _multiply(weight, bias, part, target.flatten(2))
        return output

    def input_gradient(self, backprop: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The gradient of ``values``, site by site."""
        sites = self.stack.sites
        parts = zip(self._kernels(), backprop.chunk(sites), values.chunk(sites), strict=True)
        only_input = [True, False, False]
        gradients = [self._backward(g, part, kernel[0], only_input)[0] for kernel, g, part in parts]
        return gradients[0] if sites == 1 else torch.cat(gradients)

    def _is_native(self) -> bool:
        return self._groups > 1 or (self._many_channels and not self.stack.private)

    def _kernels(self) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Kernel and bias of each active site."""
        rows_SP = self.stack.rows_SP
        for weight, row_P in zip(self.weight.view(rows_SP), rows_SP, strict=True):
            bias = None
            if self.bias is not None:
                bias = row_P.narrow(0, self.bias.start, self.bias.shape.numel())
            yield weight, bias

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
                backprop, values, weight, [len(weight)], self._stride, self._padding,
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
    weight: torch.Tensor, bias: torch.Tensor | None, patches_BKT: torch.Tensor, into: torch.Tensor
) -> None:
    """``weight @ patches + bias`` into (B, O, T)."""
    weight_BOK = weight.flatten(1).expand(len(patches_BKT), -1, -1)
    if bias is None:
        torch.bmm(weight_BOK, patches_BKT, out=into)
    else:
        torch.baddbmm(bias[:, None].expand(into.shape), weight_BOK, patches_BKT, out=into)


def _kernel_gradients(
    backprops_NOT: torch.Tensor, patches_NIT: torch.Tensor, groups: int
) -> SampleGradients:
    if groups == 1:
        return MatrixGradients(backprops_NOT, patches_NIT)
    left = backprops_NOT.unflatten(1, (groups, -1)).flatten(0, 1)
    right = patches_NIT.unflatten(1, (groups, -1)).flatten(0, 1)
    product = torch.bmm(left, right.transpose(1, 2))
    return VectorGradients(product.view(len(backprops_NOT), -1))
