"""Training one site at a time, for nets that ``StackedNet`` can't stack."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from fl_client.training.stacked.gradients import not_finite, squared_lengths
from fl_client.training.stacked.network import clip_factors
from fl_client.training.stacked.rows import load_frozen, slots_of
from fl_client.training.stacked.stack import Batch
from fl_common.vocabulary import Parameters
from models.kinds import TaskKind

_PER_SAMPLE_BYTES = 128 * 2**20
"""Memory for per-sample gradients: a larger batch is clipped in parts."""


class OneSiteNet:
    """The body of one net, for stacks of one site: parameters, and buffers where it has any."""

    def __init__(self, body: nn.Module, kind: TaskKind) -> None:
        self._body, self._kind = copy.deepcopy(body), kind
        self.slots = slots_of(body)
        self._buffers: dict[str, torch.Tensor] = {}
        self._vectorises = True

    def begin(self, parameters: Parameters) -> None:
        """Take buffers and frozen ones of ``parameters``; integer buffers start as built."""
        load_frozen(self._body, parameters)
        self._buffers = {
            name: torch.from_numpy(parameters[name].copy())
            if name in parameters
            else buffer.clone()
            for name, buffer in self._body.named_buffers()
        }

    def learnt(self, parameters: Parameters) -> Parameters:
        """The change of the floating-point buffers since ``begin``."""
        kept = {name: buffer for name, buffer in self._buffers.items() if name in parameters}
        return {name: buffer.numpy() - parameters[name] for name, buffer in kept.items()}

    def gradients(
        self,
        rows_SP: torch.Tensor,
        batch: Batch,
        clip_norm: float | None,
    ) -> torch.Tensor:
        """See ``StackedNet.gradients``; S is 1."""
        weights = {name: slot.view(rows_SP)[0] for name, slot in self.slots.items()}
        if clip_norm is None:
            return self._plain(weights, batch.inputs, batch.targets_N, batch.weights_N)[None]
        clipped_NP = self._clipped(weights, batch.inputs, batch.targets_N, clip_norm)
        return torch.as_tensor(batch.weights_N @ clipped_NP)[None]

    def _clipped(
        self,
        weights: dict[str, torch.Tensor],
        inputs: torch.Tensor,
        targets_N: torch.Tensor,
        clip_norm: float,
    ) -> torch.Tensor:
        """Clipped gradients (N, P): vectorised where the net can be, else sample by sample."""
        one = torch.ones(1)
        if self._vectorises:
            size = sum(weight.numel() for weight in weights.values())
            try:
                return self._vectorised(weights, clip_norm, _PER_SAMPLE_BYTES // (4 * size))(
                    inputs, targets_N
                )
            except RuntimeError:  # its vmap has no rule for a step of the net
                self._vectorises = False
        samples = zip(inputs.split(1), targets_N.split(1), strict=True)
        rows_NP = torch.stack([self._plain(weights, *sample, one) for sample in samples])
        return _clip_rows(rows_NP, clip_norm)

    def _plain(
        self,
        weights: dict[str, torch.Tensor],
        inputs: torch.Tensor,
        targets_N: torch.Tensor,
        weights_N: torch.Tensor,
    ) -> torch.Tensor:
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        with torch.enable_grad():
            outputs_ND = functional_call(self._body, (leaves, self._buffers), (inputs,))
            loss = weights_N @ self._kind.losses(outputs_ND, targets_N)
        gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in gradients])

    def _vectorised(
        self, weights: dict[str, torch.Tensor], clip_norm: float, at_once: int
    ) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Clipped gradients (N, P) of N samples, ``at_once`` in one go."""

        def loss(
            weights: dict[str, torch.Tensor], values: torch.Tensor, target: torch.Tensor
        ) -> torch.Tensor:
            outputs_1D = functional_call(self._body, (weights, self._buffers), (values[None],))
            return self._kind.losses(outputs_1D, target[None])[0]

        def row_of(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            gradients = grad(loss)(weights, values, target)
            return torch.cat([gradient.flatten() for gradient in gradients.values()])

        mapped: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
        mapped = vmap(row_of, chunk_size=max(1, at_once), randomness="different")
        return lambda inputs, targets_N: _clip_rows(mapped(inputs, targets_N), clip_norm)


def _clip_rows(rows_NP: torch.Tensor, clip_norm: float) -> torch.Tensor:
    """Each row clipped, in place; a row that float32 can't hold becomes zero."""
    squares_N = squared_lengths(rows_NP)
    rows_NP.index_fill_(0, not_finite(squares_N), 0)
    return rows_NP.mul_(clip_factors(squares_N.sqrt(), clip_norm).nan_to_num(0.0)[:, None])
