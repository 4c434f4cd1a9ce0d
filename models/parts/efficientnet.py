"""EfficientNet-Lite0 without its last layer: convolutions whose batch normalisation is folded in.

Tan and Le (2019) as changed for small devices (tensorflow/tpu, models/official/efficientnet/lite):
no squeeze and excitation, and ReLU6. A published network's batch normalisation is part of the
weights and biases of the convolution before it.
"""

from collections.abc import Iterator

import torch
from torch import nn

from fl_common.vocabulary import Floats, Parameters
from models.parts.published import scale_and_shift

FEATURES = 1280
STRIDE = 32
"""All strides together: a side of so many pixels is one place at the end."""
_STEM = 32
_BLOCKS = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Expansion, channels, repeats, stride of the first, kernel: table 1 of the paper."""
_EPSILON = 1e-3
"""Of the published batch normalisation."""


def efficientnet_lite0(channels: int) -> nn.Sequential:
    """Images (N, channels, H, W) to features (N, 1280); H and W are multiples of 32."""
    layers: list[nn.Module] = [convolution(channels, _STEM, 3, 2), nn.ReLU6()]
    inputs = _STEM
    for expansion, outputs, repeats, stride, kernel in _BLOCKS:
        for repeat in range(repeats):
            first = stride if repeat == 0 else 1
            layers.append(InvertedResidual(inputs, outputs, expansion, first, kernel))
            inputs = outputs
    layers += [convolution(inputs, FEATURES, 1, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class InvertedResidual(nn.Module):
    """Wider by ``expansion``, a convolution of each channel alone, narrow again; and the sum."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        width = inputs * expansion
        widen = [convolution(inputs, width, 1, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = convolution(width, width, kernel, stride, groups=width)
        narrow = convolution(width, outputs, 1, 1)
        self.block = nn.Sequential(*widen, depthwise, nn.ReLU6(), narrow)
        self.is_residual = stride == 1 and inputs == outputs
        if self.is_residual:  # changes nothing at first: sums of random values would only grow
            for parameter in narrow.parameters():
                nn.init.zeros_(parameter)

    def forward(self, values_NCHW: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        changed_NCHW: torch.Tensor = self.block(values_NCHW)
        return values_NCHW + changed_NCHW if self.is_residual else changed_NCHW


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
) -> nn.Sequential:
    """A convolution that pads as TensorFlow does, for sides that the stride divides."""
    before = (kernel - stride) // 2
    after = kernel - stride - before
    padding = nn.ZeroPad2d((before, after, before, after)) if kernel > 1 else nn.Identity()
    layer = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(padding, layer)


def published(found: Parameters) -> Iterator[tuple[Floats, Floats]]:
    """The weights and biases of all convolutions in order, of a published network's state.

    ``found`` has the names of the package efficientnet_lite_pytorch.

    Raises:
        KeyError: a name that is missing.
    """
    yield _folded(found, "_conv_stem", "_bn0")
    for block, expansion in enumerate(_expansions()):
        at = f"_blocks.{block}."
        if expansion > 1:
            yield _folded(found, f"{at}_expand_conv", f"{at}_bn0")
        yield _folded(found, f"{at}_depthwise_conv", f"{at}_bn1")
        yield _folded(found, f"{at}_project_conv", f"{at}_bn2")
    yield _folded(found, "_conv_head", "_bn1")


def _expansions() -> Iterator[int]:
    for expansion, _, repeats, _, _ in _BLOCKS:
        yield from [expansion] * repeats


def _folded(found: Parameters, convolved: str, normalised: str) -> tuple[Floats, Floats]:
    """A convolution without a bias, and the batch normalisation after it, as one with a bias."""
    scale_C, shift_C = scale_and_shift(found, normalised, _EPSILON)
    return found[f"{convolved}.weight"] * scale_C[:, None, None, None], shift_C
