"""Shared parts of networks: rules for options and windows, and layers chosen by name."""

import itertools
import math
from collections.abc import Mapping, Sequence

from torch import nn

from fl_common.configuration.rules import Rule, number, one_of, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task

ACTIVATIONS: Mapping[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
"""By name. Tanh bounds the activations, which often helps under DP (Papernot et al. 2021)."""

NORMS = ("group", "batch", "none")
"""Group normalisation works within one window; batch normalisation mixes windows: not with DP."""


WIDTHS = Rule(
    "must be a list of whole numbers above 0",
    lambda widths: len(widths) > 0 and all(whole(1).holds(width) for width in widths),
)
"""The rule for the widths of layers."""

LAYERS = Rule(
    "must be a list of whole numbers above 0, or empty",
    lambda widths: all(whole(1).holds(width) for width in widths),
)
"""The rule where there may be none."""


def series_shape(task: Task, net: str) -> tuple[int, int]:
    """(T, C) of the task's windows; raises InvalidConfiguration if they are not series."""
    if len(task.window_shape) != 2:
        raise _wrong_windows(task, net, "series (time, channels)", "a task with series")
    return task.window_shape[0], task.window_shape[1]


def image_shape(task: Task, net: str) -> tuple[int, int, int]:
    """(C, H, W) of the task's windows; raises InvalidConfiguration if they are not images."""
    if len(task.window_shape) != 3:
        raise _wrong_windows(task, net, "images (channels, height, width)", "a task with images")
    return task.window_shape[0], task.window_shape[1], task.window_shape[2]


def activation_layer(name: str) -> nn.Module:
    """A new activation layer by name, not in place (per-sample gradients need its input)."""
    require("net.activation", name, one_of(ACTIVATIONS))
    return ACTIVATIONS[name]()


def halving_convolutions(
    shape: tuple[int, ...],
    widths: Sequence[int],
    kernel: int,
    norm: str,
    groups: int,
    activation: str,
) -> tuple[list[nn.Module], int]:
    """Blocks of convolution with stride 2, normalisation and activation; and their output size.

    ``shape`` is (C, T) or (C, H, W); each block halves the axes after C, rounded up, and has
    ``widths[i]`` channels after it. A stride of 2 costs half of a convolution followed by pooling
    and is as accurate on the tasks here.

    Raises:
        InvalidConfiguration: an option out of range, or more halvings than the window has.
    """
    require("net.widths", widths, WIDTHS)
    require("net.kernel", kernel, number("must be odd and at least 1", _is_odd))
    channels, *extent = shape
    rule = f"has more halvings than windows of {' x '.join(map(str, extent))} allow"
    require("net.widths", widths, Rule(rule, lambda _: min(extent) >= 1 << len(widths)))
    convolution = nn.Conv1d if len(extent) == 1 else nn.Conv2d
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise([channels, *widths]):
        layers += [
            convolution(inputs, outputs, kernel, stride=2, padding=kernel // 2),
            *_normalisation(norm, outputs, groups, len(extent)),
            activation_layer(activation),
        ]
    return layers, widths[-1] * math.prod(math.ceil(n / (1 << len(widths))) for n in extent)


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    """Group normalisation; raises InvalidConfiguration unless ``groups`` divides ``channels``."""
    rule = f"must divide the {channels} channels of every layer"
    require("net.groups", groups, number(rule, lambda g: g >= 1 and channels % g == 0))
    return nn.GroupNorm(groups, channels)


def zero_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer initialised to zero: all classes equally likely, no random initialisation."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def tanh_layers(widths: Sequence[int], *, bias: bool = True) -> list[nn.Module]:
    """Linear layers from each of ``widths`` to the next, each with tanh after it."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs, bias=bias), nn.Tanh()]
    return layers


def _is_odd(kernel: int) -> bool:
    return kernel >= 1 and kernel % 2 == 1


def _normalisation(kind: str, channels: int, groups: int, dimensions: int) -> list[nn.Module]:
    require("net.norm", kind, one_of(NORMS))
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm1d(channels) if dimensions == 1 else nn.BatchNorm2d(channels)]
    return [group_norm(channels, groups)]


def _wrong_windows(task: Task, net: str, kind: str, instead: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"net={net} for task {task.name} with windows {task.window_shape}",
        f"takes {kind} only",
        f"Choose {instead}, or net=mlp, which takes any window",
    )
