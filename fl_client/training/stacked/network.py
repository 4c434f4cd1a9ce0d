"""A net's body with its layers stacked: the gradients of many sites in one pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from fl_client.training.stacked.gradients import (
    MatrixGradients,
    not_finite,
    squared_lengths,
)
from fl_client.training.stacked.layers import StackedLayer
from fl_client.training.stacked.replacement import with_stacked_layers
from fl_client.training.stacked.rows import load_frozen, slots_of, width_of_row
from fl_client.training.stacked.stack import Batch, Stack
from fl_common.vocabulary import Parameters
from models.kinds import TaskKind

_OPACUS_STABILITY = 1e-6
"""Added to a norm before dividing, as Opacus does, so that both trainers clip alike."""


class StackedNet:
    """The body of one net, for stacks of any number of sites; for one thread at a time.

    Raises:
        NotStackable: the body has a layer without a stacked counterpart.
    """

    def __init__(self, body: nn.Module, kind: TaskKind) -> None:
        self._stack, self._kind = Stack(), kind
        self.slots = slots_of(body)
        self._body = with_stacked_layers(body, self._stack, self.slots)
        found = (module for module in self._body.modules() if isinstance(module, StackedLayer))
        self._layers = list(found)
        self._rows_SP = self._sums_SP = torch.empty(0)

    def begin(self, parameters: Parameters) -> None:
        """Take the frozen ones of ``parameters``, which all sites of the next stack share."""
        load_frozen(self._body, parameters)

    def gradients(
        self,
        rows_SP: torch.Tensor,
        batch: Batch,
        clip_norm: float | None,
    ) -> torch.Tensor:
        """Each site's weighted sum of its samples' gradients of the loss, shape (S, P).

        With ``clip_norm``, where weights are 0 or 1, each sample's gradient is first clipped
        (Abadi et al. 2016, algorithm 1). The next call overwrites the result.
        """
        self._stack.begin(batch.sizes, batch.padded, clip_norm is not None)
        if rows_SP is not self._rows_SP:
            self._bind(rows_SP)
        try:
            with torch.enable_grad():
                outputs_ND = self._body(batch.inputs)
            toward_ND = self._kind.toward(outputs_ND.detach(), batch.targets_N)
            toward_ND.mul_(batch.weights_N.view(-1, 1))
            backprops = self._backprops(outputs_ND, toward_ND)
            if clip_norm is None:
                for layer, toward in backprops:
                    layer.write_sums(toward)
            else:
                _write_clipped(backprops, batch.weights_N, self._stack, clip_norm)
        finally:
            for layer in self._layers:
                layer.forget()
        return self._sums_SP

    def release(self) -> None:
        """Release the parameters and gradients of the last stack."""
        self._rows_SP = self._sums_SP = torch.empty(0)
        for layer in self._layers:
            layer.release()

    def _bind(self, rows_SP: torch.Tensor) -> None:
        self._rows_SP, self._sums_SP = rows_SP, torch.zeros_like(rows_SP)
        for layer in self._layers:
            layer.bind(rows_SP, self._sums_SP)

    def footprint(self, input_: torch.Tensor, private: bool) -> tuple[int, int]:
        """Bytes per sample of the largest call, and of all calls; ``input_`` is one sample.

        Of frozen layers the largest output counts: before the first trained one none is kept.
        """
        self._bind(torch.zeros(1, width_of_row(self.slots)))
        self._stack.begin((1,), False, private)
        with torch.enable_grad(), _sizes_of_frozen(self._body) as frozen:
            self._body(input_[None])
        calls = [
            4 * max(kept.numel(), output.numel())
            for layer in self._layers
            for kept, output in zip(layer.activations, layer.outputs, strict=True)
        ]
        for layer in self._layers:
            layer.forget()
        largest = 4 * max(frozen, default=0)
        return max([largest, *calls]), largest + sum(calls)

    def _backprops(
        self, outputs_ND: torch.Tensor, toward: torch.Tensor
    ) -> list[tuple[StackedLayer, list[torch.Tensor]]]:
        """The gradients at the outputs of each layer that was called."""
        outputs = [output for layer in self._layers for output in layer.outputs]
        if len(outputs) == 1 and outputs[0] is outputs_ND:
            found = iter((toward,))
        else:
            with torch.enable_grad():  # a scalar: torch imports sympy to compare shapes otherwise
                scalar = torch.dot(outputs_ND.flatten(), toward.flatten())
            found = iter(torch.autograd.grad(scalar, outputs, materialize_grads=True))
        called = []
        for layer in self._layers:
            if layer.outputs:
                called.append((layer, [next(found).contiguous() for _ in layer.outputs]))
            else:
                layer.write_nothing()
        return called


@contextmanager
def _sizes_of_frozen(body: nn.Module) -> Iterator[list[int]]:
    """Entries of what each frozen layer of ``body`` makes, as they are called."""
    sizes: list[int] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            sizes.append(output.numel())

    frozen = [layer for layer in body.modules() if [*layer.parameters(recurse=False)]]
    handles = [layer.register_forward_hook(note) for layer in frozen]
    try:
        yield sizes
    finally:
        for handle in handles:
            handle.remove()


def _write_clipped(
    backprops: list[tuple[StackedLayer, list[torch.Tensor]]],
    weights_N: torch.Tensor,
    stack: Stack,
    clip_norm: float,
) -> None:
    """Clip each sample's gradient over all layers together, and write each site's sum."""
    written = [pair for layer, toward in backprops for pair in layer.sample_gradients(toward)]
    matrices = [(into, each) for into, each in written if isinstance(each, MatrixGradients)]
    vectors = [(into, each) for into, each in written if isinstance(each, torch.Tensor)]
    squares_N = torch.zeros_like(weights_N)
    for _, gradients in matrices:
        squares_N += gradients.squared_norms()
    joined_NX = torch.cat([squares_N.new_empty(squares_N.numel(), 0), *(v for _, v in vectors)], 1)
    squares_N += squared_lengths(joined_NX)
    left_out = not_finite(squares_N)
    factors_N = (clip_factors(squares_N.sqrt_(), clip_norm) * weights_N).index_fill_(0, left_out, 0)
    for target, gradients in matrices:
        target.copy_(gradients.weighted_sum(factors_N, left_out, stack).view(target.shape))
    widths = [each.shape[1] for _, each in vectors]
    joined_NX.index_fill_(0, left_out, 0)
    sums = stack.weighted_sum(joined_NX, factors_N).split(widths, dim=1)
    for (target, _), sum_SX in zip(vectors, sums, strict=True):
        target.copy_(sum_SX.view(target.shape))


def clip_factors(norms: torch.Tensor, clip_norm: float) -> torch.Tensor:
    """What each gradient is multiplied by, so that no norm passes ``clip_norm``."""
    return (clip_norm / (norms + _OPACUS_STABILITY)).clamp(max=1.0)
