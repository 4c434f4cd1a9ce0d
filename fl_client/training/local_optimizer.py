"""The optimizer of a site's own steps, and FedProx' pull to the global parameters."""

import torch
from torch import nn

from fl_client.training import LocalTask


class Proximity:
    """FedProx' proximal term (Li et al. 2020, equation 2).

    It is a function of the parameters only, so adding it after the noise releases nothing.
    """

    def __init__(self, weights: list[nn.Parameter], mu: float) -> None:
        self._mu = mu
        self._pairs = [(p, p.detach().clone()) for p in weights] if mu else []

    def add_gradient(self) -> None:
        """Add ``mu * (w - w_global)`` to each parameter's gradient."""
        for parameter, anchor in self._pairs:
            assert parameter.grad is not None
            parameter.grad += self._mu * (parameter.detach() - anchor)


def optimizer_of(weights: list[nn.Parameter], task: LocalTask) -> torch.optim.Optimizer:
    """The plan's optimizer over ``weights``, at the learning rate of the round."""
    training, rate = task.plan.training, task.plan.learning_rate(task.round)
    if training.optimizer == "adam":
        return torch.optim.Adam(weights, rate, weight_decay=training.weight_decay)
    return torch.optim.SGD(weights, rate, training.momentum, weight_decay=training.weight_decay)
