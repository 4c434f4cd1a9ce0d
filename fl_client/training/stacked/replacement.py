"""Replacement of a net's ordinary layers by stacked ones."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from fl_client.training.stacked.convolution import StackedConvolution
from fl_client.training.stacked.layers import StackedLayer, StackedLinear
from fl_client.training.stacked.normalisation import StackedGroupNorm, StackedLayerNorm
from fl_client.training.stacked.pooling import HalvingMaxPool
from fl_client.training.stacked.rows import ParameterRange, ParameterRanges
from fl_client.training.stacked.stack import Stack
from fl_client.training.trial import not_in_place


class NotStackable(Exception):
    """The body must be trained one site at a time."""


def with_stacked_layers(body: nn.Module, stack: Stack, slots: ParameterRanges) -> nn.Module:
    """A copy of ``body`` with a stacked layer for each one that is trained, and faster pooling.

    A frozen layer stays as it is: all sites of a stack have the same one.

    Raises:
        NotStackable: a parameter is in another layer, or a layer mixes samples, draws random
            numbers, keeps statistics or is frozen in part.
    """
    slot_of = {id(p): slots[name] for name, p in body.named_parameters() if name in slots}
    replacements: dict[int, nn.Module] = {}
    stacked: set[int] = set()
    for module in body.modules():
        _check_alone(module)
        replacement = _stacked_layer(module, stack, slot_of)
        if replacement is not None:
            replacements[id(module)] = replacement
            stacked |= {id(parameter) for parameter in module.parameters()}
    if left := [
        name for name, p in body.named_parameters() if name in slots and id(p) not in stacked
    ]:
        raise NotStackable(f"parameters {', '.join(left)} are in no layer that can be stacked")
    copied = copy.deepcopy(body, memo=dict(replacements))
    not_in_place(copied)
    return copied


def _check_alone(module: nn.Module) -> None:
    """Raise unless a sample's output depends only on that sample and the parameters."""
    if isinstance(module, nn.modules.batchnorm._NormBase):
        raise NotStackable(f"{type(module).__name__} normalises over samples")
    if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
        raise NotStackable(f"{type(module).__name__} draws random numbers")
    if any(buffer.is_floating_point() for buffer in module.buffers(recurse=False)):
        raise NotStackable(f"{type(module).__name__} has buffers")


def _stacked_layer(
    module: nn.Module, stack: Stack, slot_of: Mapping[int, ParameterRange]
) -> nn.Module | None:
    if isinstance(module, nn.MaxPool1d) and _halves(module):
        return HalvingMaxPool()
    build = _BUILDERS.get(type(module).forward)
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if build is None or weight is None or id(weight) not in slot_of:
        return None
    if bias is not None and id(bias) not in slot_of:
        raise NotStackable(f"the bias of a {type(module).__name__} is frozen, and not its weight")
    return build(module, stack, slot_of[id(weight)], None if bias is None else slot_of[id(bias)])


def _halves(pool: nn.MaxPool1d) -> bool:
    sizes = [pool.kernel_size, pool.stride, pool.padding, pool.dilation]
    plain = not (pool.ceil_mode or pool.return_indices)
    return plain and [s if isinstance(s, int) else s[0] for s in sizes] == [2, 2, 0, 1]


def _linear(
    module: Any, stack: Stack, weight: ParameterRange, bias: ParameterRange | None
) -> StackedLayer:
    return StackedLinear(stack, weight, bias)


def _convolution(
    module: Any, stack: Stack, weight: ParameterRange, bias: ParameterRange | None
) -> StackedLayer:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NotStackable(f"padding {module.padding} with {module.padding_mode}")
    return StackedConvolution(stack, weight, bias, module)


def _group_norm(
    module: Any, stack: Stack, weight: ParameterRange, bias: ParameterRange | None
) -> StackedLayer:
    return StackedGroupNorm(stack, weight, bias, module)


def _layer_norm(
    module: Any, stack: Stack, weight: ParameterRange, bias: ParameterRange | None
) -> StackedLayer:
    plain = nn.LayerNorm(module.normalized_shape, module.eps, elementwise_affine=False)
    return StackedLayerNorm(stack, weight, bias, plain)


_BUILDERS: Mapping[
    Any, Callable[[Any, Stack, ParameterRange, ParameterRange | None], StackedLayer]
] = {
    nn.Linear.forward: _linear,
    nn.Conv1d.forward: _convolution,
    nn.Conv2d.forward: _convolution,
    nn.GroupNorm.forward: _group_norm,
    nn.LayerNorm.forward: _layer_norm,
}
"""By the layer's forward: a subclass that computes something else is not replaced."""
