"""Networks: a fixed front end without parameters, and a trainable body.

The front end (normalisation with the task's declared constants, fixed features) is a function of a
single window, so it does not affect the privacy guarantee; a site applies it once to its windows
and trains only the body. The exported model contains both.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from fl_common.configuration.keys import question
from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.plugins.installed import offer_of, offered
from fl_common.plugins.kinds import NET
from fl_common.vocabulary import NetSpec, Parameters, Task
from models.kinds import ANOMALY, KINDS

__all__ = [
    "Net",
    "build_net",
    "load_parameters",
    "parameters_of",
    "trained_names",
    "trained_part",
]


class Net(nn.Module):
    """``body(front(values))``: values (N, *task.window_shape) in sensor units -> outputs (N, D)."""

    kinds: ClassVar[Collection[str]] = tuple(kind for kind in KINDS if kind != ANOMALY)
    """The kinds of tasks that it is for; a net of logits would shrink its scores of anomalies."""

    def __init__(self, front: nn.Module, body: nn.Module) -> None:
        super().__init__()
        if any(True for _ in front.parameters()):
            raise InvalidConfiguration(
                type(front).__name__, "a front end must have no parameters", "Move them to the body"
            )
        self.front = front
        self.body = body

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Outputs (N, D): as many as the task's kind needs, such as a logit for each label."""
        outputs_ND: torch.Tensor = self.body(self.front(values))
        return outputs_ND

    def adopted(self, found: Parameters) -> Parameters:
        """Parameters of this network, of what a file for a warm start holds under its own names.

        A network whose layers others have published and trained, such as for images, overrides it.
        What is not ``found`` there, such as a new last layer, stays as it was built.
        """
        return found


_OWN = "models.nets."


def build_net(spec: NetSpec, task: Task, seed: int = 0) -> Net:
    """The network that ``spec`` names, initialised from ``seed``, in training mode.

    A plan arrives over the network and must not be able to call anything else: ``spec.target`` is a
    class under ``models.nets``, or a name that an installed package offers by an entry point. It is
    never an arbitrary import path.

    Raises:
        InvalidConfiguration: no such network, or a kind, options or a window shape that it can't
            take.
    """
    return make_net(_class_of(spec.target), spec.options, task, seed)


def make_net(net_class: type[Net], options: Mapping[str, Any], task: Task, seed: int = 0) -> Net:
    """A network of ``net_class``: see ``build_net``."""
    _check_kind(net_class, task)
    create: Callable[..., Net] = net_class
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return create(task, **options).train()
        except JoinTheDotsError:
            raise
        except Exception as error:  # from a foreign constructor, with options from the network
            raise InvalidConfiguration(
                f"net options {dict(options)}",
                str(error),
                f"{_meant(net_class, options)}See {net_class.__module__}.{net_class.__qualname__}",
            ) from error


def _meant(net_class: type[Net], options: Mapping[str, Any]) -> str:
    """``Did you mean net.hidden? ``, of an option that ``net_class`` does not take; or nothing."""
    known = inspect.signature(net_class).parameters
    return "".join(question(name, known, "net.") for name in options if name not in known)


def _check_kind(net_class: type[Net], task: Task) -> None:
    if task.kind.name not in net_class.kinds:
        raise InvalidConfiguration(
            f"net {net_class.__name__} for task.kind={task.kind.name}",
            f"is for task.kind={' or '.join(net_class.kinds)}",
            "Set net=auto, or for anomaly net=autoencoder or net=one_class",
        )


def spec_of(target: str, options: Mapping[str, Any]) -> NetSpec:
    """The specification of the class at ``target``, a dotted path, as every machine knows it.

    Raises:
        InvalidConfiguration: the class is not ours, and no installed package offers it by a name.
    """
    if target.startswith(_OWN):
        return NetSpec(target, options)
    if (offer := offer_of(NET, target)) is None:
        raise InvalidConfiguration(
            f"net {target!r}",
            "is not under models.nets, and no installed package offers it by a name",
            f'Offer it under [project.entry-points."{NET.entry_points}"] of its package',
        )
    return NetSpec(offer.name, options)


def _class_of(target: str) -> type[Net]:
    found = _own_class(target) if target.startswith(_OWN) else _offered_class(target)
    if not (isinstance(found, type) and issubclass(found, Net) and found is not Net):
        raise InvalidConfiguration(
            f"net {target!r}", f"is no subclass of {NET.protocol}", "Derive its class from that one"
        )
    return found


def _own_class(target: str) -> object:
    module_name, _, class_name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise InvalidConfiguration(
            f"net {target!r}", f"does not exist ({error})", "Choose one of conf/net"
        ) from error


def _offered_class(name: str) -> object:
    offer = offered(NET, name, [module.name for module in pkgutil.iter_modules(__path__)])
    if offer is None:
        raise InvalidConfiguration(
            f"net {name!r}",
            "is neither a class under models.nets nor a net that an installed package offers",
            "Install the package that brings it; fl-client plugins lists what is installed",
        )
    return offer.load()


def trained_names(net: Net) -> frozenset[str]:
    """What an update of ``net`` has: all that ``parameters_of`` gives but frozen parameters.

    Frozen ones (``requires_grad=False``) keep the values that a run began with. Which they are is
    said by the net's own code, on the server and on each site, and by no message.
    """
    return frozenset(name for name, _ in _tensors(net)) - _frozen_names(net)


def trained_part(net: Net, parameters: Parameters) -> Parameters:
    """Those of ``parameters`` that a site sends: all that ``net`` does not freeze, in order."""
    frozen = _frozen_names(net)
    return {name: array for name, array in parameters.items() if name not in frozen}


@lru_cache(maxsize=16)
def _frozen_names(net: Net) -> frozenset[str]:
    return frozenset(name for name, p in net.body.named_parameters() if not p.requires_grad)


def parameters_of(net: nn.Module) -> Parameters:
    """Copies of the body's parameters, frozen ones too, and floating-point buffers, by name."""
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
