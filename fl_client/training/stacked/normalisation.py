"""Group and layer normalisation with their own scale and shift per site."""

from typing import Any

import torch
from torch import nn

from fl_client.training.stacked.layers import StackedLayer, Written
from fl_client.training.stacked.rows import ParameterRange
from fl_client.training.stacked.stack import Stack


class StackedGroupNorm(StackedLayer):
    """``nn.GroupNorm`` on (N, C, *space).

    All samples are given to torch's kernel as the channels of one, so that each has its own scale
    and shift, and the kernel's gradients of them are each sample's own.
    """

    def __init__(
        self,
        stack: Stack,
        weight_slot: ParameterRange,
        bias_slot: ParameterRange | None,
        like: nn.GroupNorm,
    ) -> None:
        super().__init__(stack, weight_slot, bias_slot)
        self._groups, self._eps = like.num_groups, like.eps
        self._statistics: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        call = len(self.outputs)
        output: torch.Tensor = _Normalise.apply(values, self, call)  # type: ignore[no-untyped-call]
        return self.remember(values.detach(), output)

    def forget(self) -> None:
        """Drop the calls."""
        super().forget()
        self._statistics.clear()

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """From the backward pass; computed here if this is the first layer."""
        for call, backprop in enumerate(backprops):
            if call not in self.early:
                self.backward(call, backprop, self.activations[call], wants_values=False)
        scales, shifts = zip(*(self.early[call] for call in range(len(backprops))), strict=True)
        written: Written = [(self.weight_sum, _total(list(scales)))]
        if self.bias is not None:
            written.append((self.bias_sum, _total(list(shifts))))
        return written

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """See ``StackedLayer``."""
        _write_plain_sums(self, backprops)

    def normalise(self, values: torch.Tensor) -> torch.Tensor:
        """The output; the statistics are saved for the backward pass."""
        scale_X, shift_X = self._spread(self.weight), self._spread(self.bias)
        sizes = (1, *self._sizes(values))
        output, *statistics = torch.native_group_norm(
            values.contiguous(), scale_X, shift_X, *sizes, self._eps
        )
        self._statistics.append((statistics[0], statistics[1]))
        return output

    def backward(
        self, call: int, backprop: torch.Tensor, values: torch.Tensor, *, wants_values: bool = True
    ) -> torch.Tensor:
        """The gradient of ``values`` if wanted; saves those of scale and shift per sample."""
        sizes = (1, *self._sizes(values))
        wanted = [wants_values, True, self.bias is not None]
        gradient, scales_X, shifts_X = torch.ops.aten.native_group_norm_backward(
            backprop.contiguous(), values.contiguous(), *self._statistics[call],
            self._spread(self.weight), *sizes, wanted,
        )  # fmt: skip
        scales_NC = scales_X.view(len(values), -1)
        shifts_NC = scales_NC if self.bias is None else shifts_X.view(len(values), -1)
        self.early[call] = scales_NC, shifts_NC
        return values if gradient is None else torch.as_tensor(gradient)

    def _sizes(self, values: torch.Tensor) -> tuple[int, int, int]:
        """Channels, places and groups of all samples as of one."""
        samples, channels = values.shape[:2]
        return samples * channels, values[0, 0].numel(), samples * self._groups

    def _spread(self, parameter_SC: torch.Tensor | None) -> torch.Tensor | None:
        """Each sample's own, one after the other."""
        if parameter_SC is None:
            return None
        return parameter_SC.index_select(0, self.stack.site_of_row_N).flatten()


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, layer: StackedGroupNorm, call: int) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.layer, ctx.call = layer, call
        return layer.normalise(values)

    @staticmethod
    def backward(ctx: Any, *backprops: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (values,) = ctx.saved_tensors
        return ctx.layer.backward(ctx.call, backprops[0], values), None, None


class StackedLayerNorm(StackedLayer):
    """Scale and shift after ``plain``, a layer normalisation without them."""

    def __init__(
        self,
        stack: Stack,
        weight_slot: ParameterRange,
        bias_slot: ParameterRange | None,
        plain: nn.LayerNorm,
    ) -> None:
        super().__init__(stack, weight_slot, bias_slot)
        self.plain = plain

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        normalised = self.plain(values)
        scaled = normalised * self._spread(self.weight, values)
        if self.bias is not None:
            scaled = scaled + self._spread(self.bias, values)
        return self.remember(normalised.detach(), scaled)

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """Sums over the places that share an entry."""
        calls = zip(self.activations, backprops, strict=True)
        scales_NX = _total([self._gather(backprop * values) for values, backprop in calls])
        written: Written = [(self.weight_sum, scales_NX)]
        if self.bias is not None:
            written.append((self.bias_sum, _total([self._gather(each) for each in backprops])))
        return written

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """See ``StackedLayer``."""
        _write_plain_sums(self, backprops)

    def _spread(self, parameter_SX: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Each sample's own parameter, so that it broadcasts against (N, ...)."""
        own = parameter_SX.index_select(0, self.stack.site_of_row_N)
        free = [1] * (values.dim() - own.dim())
        return own.view(-1, *free, *own.shape[1:])

    def _gather(self, gradients: torch.Tensor) -> torch.Tensor:
        return gradients.reshape(gradients.shape[0], -1, self.weight[0].numel()).sum(1)


def _write_plain_sums(layer: StackedLayer, backprops: list[torch.Tensor]) -> None:
    for target, gradients_NX in layer.sample_gradients(backprops):
        assert isinstance(gradients_NX, torch.Tensor)
        target.copy_(layer.stack.plain_sum(gradients_NX).view(target.shape))


def _total(calls: list[torch.Tensor]) -> torch.Tensor:
    return calls[0] if len(calls) == 1 else torch.stack(calls).sum(0)
