"""Layers with parameters, one row of them per site, that remember what gradients need.

Each stands in a copy of the net's body where the ordinary layer was. Parameters take no part in
autograd: it only carries backprops from layer to layer, and each layer makes its own gradients
from its activations and backprops.
"""

from dataclasses import dataclass

import torch
from torch import nn

from fl_client.training.stacked.gradients import MatrixGradients, SampleGradients, VectorGradients
from fl_client.training.stacked.rows import Slot


@dataclass
class Stack:
    """What all layers share in one step: the active sites' parameters (S, P), and the mode."""

    rows_SP: torch.Tensor
    private: bool

    @property
    def sites(self) -> int:
        """Number of active sites S."""
        return self.rows_SP.shape[0]


class StackedLayer(nn.Module):
    """One layer's parameters, and its calls in this step (a recurrent net makes many).

    ``activations`` and ``outputs`` are those of each call; ``outputs`` are the points whose
    gradients, the backprops, autograd is asked for.
    """

    def __init__(self, stack: Stack, weight: Slot, bias: Slot | None) -> None:
        super().__init__()
        self.stack = stack
        self.weight, self.bias = weight, bias
        self.activations: list[torch.Tensor] = []
        self.outputs: list[torch.Tensor] = []

    def remember(self, activations: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Keep one call; the first layer's output is where autograd begins."""
        if not output.requires_grad:
            output.requires_grad_()
        self.activations.append(activations)
        self.outputs.append(output)
        return output

    def forget(self) -> None:
        """Drop the calls."""
        self.activations, self.outputs = [], []

    def sample_gradients(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, SampleGradients]]:
        """Each parameter's gradients, from the backprops of all calls in order."""
        raise NotImplementedError

    def site_sums(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, torch.Tensor]]:
        """Each parameter's gradient summed over each site's samples, (S, entries)."""
        gradients = self.sample_gradients(backprops)
        return [(slot, each.plain_sum(self.stack.sites)) for slot, each in gradients]


class StackedLinear(StackedLayer):
    """``nn.Linear`` on (N, *places, I), each site's rows with its own matrix."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, *places, I) to (N, *places, O)."""
        rows_SP = self.stack.rows_SP
        matrix_SIO = self.weight.view(rows_SP).transpose(1, 2)
        values_SXI = values.reshape(self.stack.sites, -1, values.shape[-1])
        if self.bias is None:
            output_SXO = torch.bmm(values_SXI, matrix_SIO)
        else:
            bias_S1O = self.bias.view(rows_SP).unsqueeze(1)
            output_SXO = torch.baddbmm(bias_S1O, values_SXI, matrix_SIO)
        output = output_SXO.view(*values.shape[:-1], output_SXO.shape[2])
        return self.remember(values.detach(), output)

    def sample_gradients(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, SampleGradients]]:
        """The matrix' as factors, the bias' summed over places."""
        backprops_NOT, activations_NIT = _by_place(backprops), _by_place(self.activations)
        gradients: list[tuple[Slot, SampleGradients]] = [
            (self.weight, MatrixGradients(backprops_NOT, activations_NIT))
        ]
        if self.bias is not None:
            gradients.append((self.bias, VectorGradients(backprops_NOT.sum(2))))
        return gradients


class StackedNorm(StackedLayer):
    """Scale and shift behind a group or layer normalisation; ``plain`` normalises without them.

    A group normalisation has one entry per channel of (N, C, *space), a layer normalisation one
    per entry of the last axes.
    """

    def __init__(
        self, stack: Stack, weight: Slot, bias: Slot | None, plain: nn.GroupNorm | nn.LayerNorm
    ) -> None:
        super().__init__(stack, weight, bias)
        self.plain = plain
        self._by_channel = isinstance(plain, nn.GroupNorm)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        normalised = self.plain(values)
        scaled = normalised.unflatten(0, (self.stack.sites, -1)) * self._spread(self.weight, values)
        if self.bias is not None:
            scaled = scaled + self._spread(self.bias, values)
        return self.remember(normalised.detach(), scaled.flatten(0, 1))

    def sample_gradients(self, backprops: list[torch.Tensor]) -> list[tuple[Slot, SampleGradients]]:
        """Sums over the places that share an entry."""
        calls = zip(self.activations, backprops, strict=True)
        scales = [self._gather(backprop * activations) for activations, backprop in calls]
        gradients: list[tuple[Slot, SampleGradients]] = [(self.weight, _total(scales))]
        if self.bias is not None:
            gradients.append((self.bias, _total([self._gather(each) for each in backprops])))
        return gradients

    def _spread(self, slot: Slot, values: torch.Tensor) -> torch.Tensor:
        """The parameter so that it broadcasts against (S, B, ...)."""
        parameter = slot.view(self.stack.rows_SP)
        free = [1] * (values.dim() - 1 - len(slot.shape))
        shape = (*slot.shape, *free) if self._by_channel else (*free, *slot.shape)
        return parameter.reshape(self.stack.sites, 1, *shape)

    def _gather(self, gradients: torch.Tensor) -> torch.Tensor:
        if self._by_channel:
            return gradients.reshape(*gradients.shape[:2], -1).sum(2)
        return gradients.reshape(len(gradients), -1, self.weight.shape.numel()).sum(1)


def _total(calls: list[torch.Tensor]) -> VectorGradients:
    return VectorGradients(calls[0] if len(calls) == 1 else torch.stack(calls).sum(0))


def _by_place(calls: list[torch.Tensor]) -> torch.Tensor:
    """Calls of (N, *places, X) as one view (N, X, T) over all places and calls."""
    flat = [call.reshape(len(call), -1, call.shape[-1]) for call in calls]
    return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).transpose(1, 2)
