"""Networks: a fixed front end without parameters, and a trainable body.

The front end (normalisation with the task's declared constants, fixed features) is a function of
one window alone, so it changes no privacy guarantee; a site applies it once to its windows and
trains only the body. The exported model contains both.
"""

import importlib
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import NetSpec, Parameters, Task


class Net(nn.Module):
    """``body(front(values))``: values (N, *task.window_shape) in sensor units -> logits (N, K)."""

    def __init__(self, front: nn.Module, body: nn.Module) -> None:
        super().__init__()
        if any(True for _ in front.parameters()):
            raise InvalidConfiguration(
                type(front).__name__, "a front end must have no parameters", "Move them to the body"
            )
        self.front = front
        self.body = body

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Logits (N, K)."""
        logits: torch.Tensor = self.body(self.front(values))
        return logits


class _NetClass(Protocol):
    def __call__(self, task: Task, **options: object) -> Net: ...


def build_net(spec: NetSpec, task: Task, seed: int = 0) -> Net:
    """The network that ``spec`` names, initialised from ``seed``, in training mode.

    Only names under ``models.nets`` are built: a plan comes over the wire, and must not be able to
    call anything else.

    Raises:
        InvalidConfiguration: no such network, or options or a window shape that it can't take.
    """
    module_name, _, class_name = spec.target.rpartition(".")
    if not module_name.startswith("models.nets."):
        raise InvalidConfiguration(
            f"net {spec.target!r}", "must be a class under models.nets", "Add it there"
        )
    try:
        net_class: _NetClass = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise InvalidConfiguration(
            f"net {spec.target!r}", f"does not exist ({error})", "Choose one of conf/net"
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return net_class(task, **spec.options).train()
        except TypeError as error:
            raise InvalidConfiguration(
                f"net options {dict(spec.options)}", str(error), f"See {spec.target}"
            ) from error


def parameters_of(net: nn.Module) -> Parameters:
    """Copies of all trainable parameters and floating-point buffers of the body, by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in _tensors(net)}


def load_parameters(net: nn.Module, parameters: Parameters) -> None:
    """Write ``parameters`` into ``net`` in place; names and shapes must be the net's own."""
    with torch.no_grad():
        for name, tensor in _tensors(net):
            tensor.copy_(torch.from_numpy(np.array(parameters[name])))


def _tensors(net: nn.Module) -> list[tuple[str, torch.Tensor]]:
    body = net.body if isinstance(net, Net) else net
    buffers = [(n, b) for n, b in body.named_buffers() if b.is_floating_point()]
    return [*body.named_parameters(), *buffers]
