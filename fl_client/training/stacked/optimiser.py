"""Local optimisers on rows of parameters, with the arithmetic of ``torch.optim``."""

from typing import Protocol

import torch

from fl_common.plan import TrainingPlan


class Optimiser(Protocol):
    """One round's optimiser state for a stack; each site's row is independent."""

    def step(self, rows_SP: torch.Tensor, gradients_SP: torch.Tensor) -> None:
        """Change the active sites' rows in place; ``gradients_SP`` may be overwritten."""
        ...


class Sgd:
    """``torch.optim.SGD`` with momentum (its buffer begins as the first gradient)."""

    def __init__(self, learning_rate: float, momentum: float) -> None:
        self._learning_rate, self._momentum = learning_rate, momentum
        self._buffer_SP: torch.Tensor | None = None

    def step(self, rows_SP: torch.Tensor, gradients_SP: torch.Tensor) -> None:
        """See ``Optimiser``."""
        if self._momentum:
            if self._buffer_SP is None:
                self._buffer_SP = gradients_SP.clone()
            else:
                self._buffer_SP = self._buffer_SP[: rows_SP.shape[0]]
                self._buffer_SP.mul_(self._momentum).add_(gradients_SP)
            gradients_SP = self._buffer_SP
        rows_SP.add_(gradients_SP, alpha=-self._learning_rate)


class Adam:
    """``torch.optim.Adam`` (Kingma and Ba 2015) with torch's constants."""

    _BETAS = (0.9, 0.999)
    _EPSILON = 1e-8

    def __init__(self, learning_rate: float) -> None:
        self._learning_rate = learning_rate
        self._moments: tuple[torch.Tensor, torch.Tensor] | None = None
        self._steps = 0

    def step(self, rows_SP: torch.Tensor, gradients_SP: torch.Tensor) -> None:
        """See ``Optimiser``."""
        if self._moments is None:
            self._moments = torch.zeros_like(rows_SP), torch.zeros_like(rows_SP)
        first_SP, second_SP = (moment[: rows_SP.shape[0]] for moment in self._moments)
        self._steps += 1
        (beta_1, beta_2), step = self._BETAS, self._steps
        first_SP.lerp_(gradients_SP, 1 - beta_1)
        second_SP.mul_(beta_2).addcmul_(gradients_SP, gradients_SP, value=1 - beta_2)
        denominator_SP = (second_SP.sqrt() / (1 - beta_2**step) ** 0.5).add_(self._EPSILON)
        rate = self._learning_rate / (1 - beta_1**step)
        rows_SP.addcdiv_(first_SP, denominator_SP, value=-rate)


def optimiser_of(training: TrainingPlan, learning_rate: float) -> Optimiser:
    """A new optimiser, as every site starts a round with."""
    if training.optimizer == "adam":
        return Adam(learning_rate)
    return Sgd(learning_rate, training.momentum)


def shape_gradients(
    gradients_SP: torch.Tensor,
    rows_SP: torch.Tensor,
    global_SP: torch.Tensor,
    training: TrainingPlan,
) -> None:
    """Add FedProx' proximal term (Li et al. 2020, equation 2) and weight decay, in place.

    They are functions of the parameters only, so adding them after the noise releases nothing.
    """
    if training.proximal_mu:
        gradients_SP.add_(rows_SP - global_SP, alpha=training.proximal_mu)
    if training.weight_decay:
        gradients_SP.add_(rows_SP, alpha=training.weight_decay)
