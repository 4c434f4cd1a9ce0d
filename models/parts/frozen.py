"""The first layers of a body, where a run leaves them as they are: a part of a fixed front end.

What they make of a window is the same in every step and every round, so it need not be made again.
"""

import copy
import hashlib
import threading
from collections import OrderedDict
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from fl_common.vocabulary import Parameters

ROWS = 64
"""Windows that pass the layers at once, the last of them zeros if need be: how a window's numbers
are rounded must not depend on how many windows there are."""
_TRIED = 3


class FrozenLayers:
    """Those of ``body`` before its first trained one; ``rest`` are the others, by their names."""

    def __init__(self, layers: nn.Sequential, rest: nn.Sequential) -> None:
        self._layers, self.rest = copy.deepcopy(layers), rest
        self._own = dict(self._layers.named_parameters())
        self._lock = threading.Lock()
        self._last: tuple[Parameters, bytes] | None = None

    def digest(self, parameters: Parameters) -> bytes:
        """Of their own of ``parameters``: all sites of a round have one object of them."""
        if self._last is None or self._last[0] is not parameters:
            found = hashlib.blake2b(digest_size=16)
            for name in self._own:
                found.update(np.ascontiguousarray(parameters[name]).tobytes())
            self._last = parameters, found.digest()
        return self._last[1]

    def __call__(self, inputs: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """What they make of ``inputs`` (N, ...) with their own of ``parameters``."""
        with self._lock, torch.no_grad():
            for name, parameter in self._own.items():
                parameter.copy_(torch.from_numpy(np.array(parameters[name])))
            return torch.cat([self._part(part) for part in inputs.split(ROWS)])

    def _part(self, inputs: torch.Tensor) -> torch.Tensor:
        filling = inputs.new_zeros((ROWS - len(inputs), *inputs.shape[1:]))
        found: torch.Tensor = self._layers(torch.cat([inputs, filling]))[: len(inputs)]
        return found.contiguous()


@lru_cache(maxsize=16)
def frozen_layers(body: nn.Module, shape: torch.Size) -> FrozenLayers | None:
    """The frozen layers with which ``body`` begins, for inputs of ``shape``; None without any.

    None, too, where they draw random numbers, learn without gradients, as batch normalisation does,
    or make of a window what depends on others: then each step has to run them.
    """
    if type(body) is not nn.Sequential:
        return None
    layers = list(body.named_children())
    own = next((place for place, (_, one) in enumerate(layers) if _is_changed(one)), len(layers))
    first, rest = (nn.Sequential(OrderedDict(part)) for part in (layers[:own], layers[own:]))
    if not len(rest) or not any(True for _ in first.parameters()) or _moves(first, shape):
        return None
    return FrozenLayers(first, rest)


def _is_changed(layer: nn.Module) -> bool:
    """Whether a run may change a parameter or a buffer of ``layer``."""
    return any(p.requires_grad for p in layer.parameters()) or any(True for _ in layer.buffers())


def _moves(layers: nn.Module, shape: torch.Size) -> bool:
    """Whether a second call, one in evaluation, or one window alone gives other numbers."""
    training, inputs = copy.deepcopy(layers).train(), _inputs(shape)
    evaluation = copy.deepcopy(layers).eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found, again, judged = training(inputs), training(inputs), evaluation(inputs)
        alone = torch.cat([training(one) for one in inputs.split(1)])
    near = 1e-3 * float(found.abs().max())
    is_fixed = torch.equal(found, again) and torch.equal(found, judged)
    return not (is_fixed and torch.allclose(found, alone, rtol=0, atol=near))


def _inputs(shape: torch.Size) -> torch.Tensor:
    return torch.randn(_TRIED, *shape, generator=torch.Generator().manual_seed(0))
