"""Random states of published networks, as their publishers save them."""

import torch
from torch import nn

from models.parts.efficientnet import efficientnet_lite0

State = dict[str, torch.Tensor]


def efficientnet_state() -> State:
    """A state with the names and shapes of efficientnet_lite_pytorch's efficientnet-lite0."""
    layers = [layer for layer in efficientnet_lite0(3).modules() if isinstance(layer, nn.Conv2d)]
    state, drawn = State(), torch.Generator().manual_seed(0)
    for (convolved, normalised), layer in zip(_names(), layers, strict=True):
        state[f"{convolved}.weight"] = 0.1 * torch.randn(layer.weight.shape, generator=drawn)
        state |= _normalised(normalised, layer.out_channels)
    return state | {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}


def _names() -> list[tuple[str, str]]:
    """Convolutions, each with its normalisation: the first block does not widen."""
    names = [("_conv_stem", "_bn0")]
    for block in range(16):
        parts = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        at = f"_blocks.{block}."
        names += [(at + one, at + other) for one, other in parts[block == 0 :]]
    return [*names, ("_conv_head", "_bn1")]


def _normalised(name: str, width: int) -> State:
    drawn = torch.Generator().manual_seed(width)
    weight, bias, mean, variance = torch.rand(4, width, generator=drawn) + 0.5
    return {
        f"{name}.weight": weight,
        f"{name}.bias": bias - 1,
        f"{name}.running_mean": mean - 1,
        f"{name}.running_var": variance,
        f"{name}.num_batches_tracked": torch.tensor(1),
    }
