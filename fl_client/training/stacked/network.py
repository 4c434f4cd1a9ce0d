"""A net's body with its layers stacked: the gradients of many sites in one pass."""

import torch
from torch import nn

from fl_client.training.stacked.layers import Stack, StackedLayer
from fl_client.training.stacked.rows import slots_of, width_of_row
from fl_client.training.stacked.stand_ins import with_stand_ins

_OPACUS_STABILITY = 1e-6
"""Added to a norm before dividing, as Opacus does, so that both trainers clip alike."""


class StackedNet:
    """The body of one net, for stacks of any number of sites; for one thread at a time.

    Raises:
        NotStackable: the body has a layer that no stacked one stands in for.
    """

    def __init__(self, body: nn.Module) -> None:
        self._stack = Stack(torch.empty(0, 0), private=False)
        self.slots = slots_of(body)
        self._body = with_stand_ins(body, self._stack, self.slots)
        found = (module for module in self._body.modules() if isinstance(module, StackedLayer))
        self._layers = list(found)

    def gradients(
        self,
        rows_SP: torch.Tensor,
        inputs: torch.Tensor,
        labels_N: torch.Tensor,
        weights_SB: torch.Tensor,
        clip_norm: float | None,
    ) -> torch.Tensor:
        """Each site's weighted sum of its samples' gradients of cross-entropy, shape (S, P).

        ``inputs`` (N, ...) and ``labels_N`` are N = S * B samples. A weight of 0 leaves a sample
        out. With ``clip_norm`` each sample's gradient is first clipped (Abadi et al. 2016).
        """
        private = clip_norm is not None
        self._stack.rows_SP, self._stack.private = rows_SP, private
        try:
            with torch.enable_grad():
                logits_NK = self._body(inputs)
            sample_weights = (weights_SB != 0).float() if private else weights_SB
            toward = _loss_gradient(logits_NK.detach(), labels_N, sample_weights)
            backprops = self._backprops(logits_NK, toward)
            gradients_SP = torch.zeros_like(rows_SP)
            if clip_norm is None:
                self._write_sums(backprops, gradients_SP)
            else:
                self._write_clipped(backprops, weights_SB, clip_norm, gradients_SP)
        finally:
            for layer in self._layers:
                layer.forget()
        return gradients_SP

    def footprint(self, input_: torch.Tensor, private: bool) -> tuple[int, int]:
        """Bytes per sample of the largest call, and of all calls; ``input_`` is one sample."""
        self._stack.rows_SP = torch.zeros(1, width_of_row(self.slots))
        self._stack.private = private
        with torch.enable_grad():
            self._body(input_[None])
        calls = [
            4 * max(kept.numel(), output.numel())
            for layer in self._layers
            for kept, output in zip(layer.activations, layer.outputs, strict=True)
        ]
        for layer in self._layers:
            layer.forget()
        return max(calls), sum(calls)

    def _backprops(
        self, logits: torch.Tensor, toward: torch.Tensor
    ) -> dict[StackedLayer, list[torch.Tensor]]:
        """The gradient at each output of each layer that was called."""
        outputs = [output for layer in self._layers for output in layer.outputs]
        if len(outputs) == 1 and outputs[0] is logits:
            found = iter((toward,))
        else:
            found = iter(torch.autograd.grad(logits, outputs, toward, materialize_grads=True))
        return {
            layer: [next(found) for _ in layer.outputs] for layer in self._layers if layer.outputs
        }

    def _write_sums(
        self, backprops: dict[StackedLayer, list[torch.Tensor]], into_SP: torch.Tensor
    ) -> None:
        for layer, toward in backprops.items():
            for slot, sum_SX in layer.site_sums(toward):
                slot.flat(into_SP).copy_(sum_SX)

    def _write_clipped(
        self,
        backprops: dict[StackedLayer, list[torch.Tensor]],
        weights_SB: torch.Tensor,
        clip_norm: float,
        into_SP: torch.Tensor,
    ) -> None:
        gradients = [
            pair for layer, toward in backprops.items() for pair in layer.sample_gradients(toward)
        ]
        squares_N = sum(each.squared_norms() for _, each in gradients)
        norms_SB = torch.as_tensor(squares_N).sqrt().view(weights_SB.shape)
        factors_SB = clip_factors(norms_SB, clip_norm) * weights_SB
        for slot, each in gradients:
            slot.flat(into_SP).copy_(each.weighted_sum(factors_SB))


def clip_factors(norms: torch.Tensor, clip_norm: float) -> torch.Tensor:
    """What each gradient is multiplied by, so that no norm passes ``clip_norm``."""
    return (clip_norm / (norms + _OPACUS_STABILITY)).clamp(max=1.0)


def _loss_gradient(
    logits_NK: torch.Tensor, labels_N: torch.Tensor, weights_SB: torch.Tensor
) -> torch.Tensor:
    """The gradient of the weighted sum of cross-entropies at the logits: softmax - one-hot."""
    toward = logits_NK.softmax(1)
    toward.scatter_add_(1, labels_N[:, None], toward.new_full((len(labels_N), 1), -1.0))
    return toward * weights_SB.view(-1, 1)
