"""Stacked layers: they have one row of parameters per site, and save what gradients need.

Each replaces an ordinary layer in a copy of the net's body. Parameters take no part in autograd: it
only carries backprops from layer to layer, and each layer computes its own gradients from its
activations and backprops.
"""

import torch
from torch import nn
from torch.nn import functional

from fl_client.training.stacked.gradients import MatrixGradients
from fl_client.training.stacked.rows import ParameterRange
from fl_client.training.stacked.stack import Stack

_NOTHING = torch.empty(0)

Written = list[tuple[torch.Tensor, MatrixGradients | torch.Tensor]]
"""Per-sample gradients of a parameter, as factors or as they are (N, entries), each after the
place where their sum over each site's samples is to be written."""


class StackedLayer(nn.Module):
    """One layer's parameters, and its calls in this step (a recurrent net makes many).

    ``activations`` and ``outputs`` are those of each call; ``outputs`` are the points whose
    gradients, the backprops, autograd is asked for. ``early`` are gradients of weight and bias
    that a call's backward pass has computed beside that of its values.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    weight_sum: torch.Tensor
    bias_sum: torch.Tensor

    def __init__(
        self, stack: Stack, weight_slot: ParameterRange, bias_slot: ParameterRange | None
    ) -> None:
        super().__init__()
        self.stack = stack
        self._slots = (weight_slot, bias_slot)
        self.activations: list[torch.Tensor] = []
        self.outputs: list[torch.Tensor] = []
        self.early: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def bind(self, rows_SP: torch.Tensor, sums_SP: torch.Tensor) -> None:
        """Take parameters from ``rows_SP`` and leave gradients in ``sums_SP``, as views."""
        weight_slot, bias_slot = self._slots
        self.weight, self.weight_sum = weight_slot.view(rows_SP), weight_slot.view(sums_SP)
        self.bias = None
        if bias_slot is not None:
            self.bias, self.bias_sum = bias_slot.view(rows_SP), bias_slot.view(sums_SP)

    def release(self) -> None:
        """Release the views that ``bind`` took."""
        self.weight = self.weight_sum = self.bias_sum = _NOTHING
        self.bias = None

    def remember(self, activations: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Save one call; autograd begins at the first layer's output."""
        if not output.requires_grad:
            output.requires_grad_()
        self.activations.append(activations)
        self.outputs.append(output)
        return output

    def forget(self) -> None:
        """Drop the saved calls."""
        self.activations.clear()
        self.outputs.clear()
        self.early.clear()

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """Each parameter's gradients, from the backprops of all calls in order."""
        raise NotImplementedError

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """Write each parameter's gradient summed over each site's samples."""
        raise NotImplementedError

    def write_nothing(self) -> None:
        """Write the gradients of a layer that was not called."""
        self.weight_sum.zero_()
        if self.bias is not None:
            self.bias_sum.zero_()


class StackedLinear(StackedLayer):
    """``nn.Linear`` on (N, *places, I), each site's rows with its own matrix."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, *places, I) to (N, *places, O)."""
        if self.stack.padded:
            values_SXI = values.reshape(self.stack.sites, -1, values.shape[-1])
            matrix_SIO = self.weight.transpose(1, 2)
            if self.bias is None:
                output = torch.bmm(values_SXI, matrix_SIO)
            else:
                output = torch.baddbmm(self.bias.unsqueeze(1), values_SXI, matrix_SIO)
            output = output.view(*values.shape[:-1], -1)
        else:
            biases = [None] * self.stack.sites if self.bias is None else self.bias
            parts = zip(self.stack.split(values), self.weight, biases, strict=True)
            output = torch.cat([functional.linear(*part) for part in parts])
        return self.remember(values.detach(), output)

    def sample_gradients(self, backprops: list[torch.Tensor]) -> Written:
        """The matrix' as factors, the bias' summed over places."""
        backprops_NOT, activations_NIT = _by_place(backprops), _by_place(self.activations)
        written: Written = [(self.weight_sum, MatrixGradients.of(backprops_NOT, activations_NIT))]
        if self.bias is not None:
            written.append((self.bias_sum, backprops_NOT.sum(2)))
        return written

    def write_sums(self, backprops: list[torch.Tensor]) -> None:
        """One product over all samples and places of a site."""
        if self.stack.padded and len(backprops) == 1:
            self._write_product(backprops[0], self.activations[0])
            return
        backprops_NOT, activations_NIT = _by_place(backprops), _by_place(self.activations)
        sums_SOI = self.stack.sum_of_products(backprops_NOT, activations_NIT)
        self.weight_sum.copy_(sums_SOI)
        if self.bias is not None:
            self.bias_sum.copy_(self.stack.plain_sum(backprops_NOT.sum(2)))

    def _write_product(self, backprop: torch.Tensor, activations: torch.Tensor) -> None:
        """The same for a padded batch and a single call, with nothing laid out anew."""
        sites, width = self.stack.sites, activations.shape[-1]
        backprop_SXO = backprop.view(sites, -1, backprop.shape[-1])
        activations_SXI = activations.reshape(sites, -1, width)
        # A batched product straight into rows that lie apart is done matrix by matrix.
        self.weight_sum.copy_(torch.bmm(backprop_SXO.transpose(1, 2), activations_SXI))
        if self.bias is not None:
            torch.sum(backprop_SXO, 1, out=self.bias_sum)


def _by_place(calls: list[torch.Tensor]) -> torch.Tensor:
    """Calls of (N, *places, X) as one view (N, X, T) over all places and calls."""
    flat = [call.reshape(call.shape[0], -1, call.shape[-1]) for call in calls]
    return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).transpose(1, 2)
