"""A faster version of the max pooling that torch does slowly on a CPU."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class HalvingMaxPool(nn.Module):
    """``nn.MaxPool1d(2)`` by one comparison, several times faster with its gradient.

    Of two equal values the first gets the gradient, as in torch.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(..., T) to (..., T // 2)."""
        result: torch.Tensor = _LargerOfPairs.apply(values)  # type: ignore[no-untyped-call]
        return result


class _LargerOfPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.length = values.shape[-1]
        paired = ctx.length // 2 * 2
        first, second = values[..., 0:paired:2], values[..., 1:paired:2]
        ctx.save_for_backward(second > first)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: Any, *backprops: torch.Tensor) -> torch.Tensor:
        (is_second,) = ctx.saved_tensors
        pairs = backprops[0].new_empty(*is_second.shape, 2)
        torch.mul(backprops[0], is_second, out=pairs[..., 1])
        torch.sub(backprops[0], pairs[..., 1], out=pairs[..., 0])
        joined = pairs.flatten(-2)
        return functional.pad(joined, (0, 1)) if ctx.length % 2 else joined
