"""A scattering transform of small images: fixed wavelets, moduli and averages, without parameters.

Bruna and Mallat 2013, over two octaves. A linear layer on it is the best known recipe for images
under DP (Tramer and Boneh 2021): edges need not be learned from noisy steps.
"""

import math

import torch
from torch import nn
from torch.nn.functional import conv2d, pad

from fl_common.vocabulary import Task
from models.fronts import StandardWindows
from models.parts.layers import image_shape
from models.parts.rows import centred, of_one_norm

SMALLEST = 8
"""Pixels on a side that two octaves need."""
LARGEST = 64
"""Beyond, there are more features than a linear layer should have."""
_BLANK = 1e-5
"""Power of moduli below which they are rounding, and must not be enlarged."""
_SMOOTH = 1e-3
"""Added to a modulus, whose root is steep at 0, and taken away again: blank stays 0."""
_FINE, _COARSE = 3, 6
"""Radii of the filters in pixels."""


class Scattering(nn.Module):
    """Images (N, C, H, W) in any units to features (N, size), each image by itself.

    Windows (N, H, W) are grey images.

    An image is first brought to mean 0 and power 1. Of each channel: local averages of its values,
    of the moduli of its wavelet transform in ``angles`` directions at two scales, and of those of
    the finer moduli's transform at the coarser scale; one for each 4 x 4 pixels. The three orders
    are standardised, each by itself.
    """

    fine: torch.Tensor
    coarse: torch.Tensor
    wide: torch.Tensor
    narrow: torch.Tensor

    def __init__(self, task: Task, angles: int) -> None:
        super().__init__()
        channels, height, width = pixels_of(task)
        self.standard = StandardWindows(task)
        directions = [math.pi * angle / angles for angle in range(angles)]
        self.register_buffer("fine", _wavelets(directions, 0.8, 0.75 * math.pi, _FINE))
        self.register_buffer("coarse", _wavelets(directions, 1.6, 0.375 * math.pi, _COARSE))
        self.register_buffer("wide", _average(1.6, _COARSE))
        self.register_buffer("narrow", _average(0.8, _FINE))
        cells = channels * math.ceil(height / 4) * math.ceil(width / 4)
        self.sizes = (cells, 2 * angles * cells, angles**2 * cells)
        self.size = sum(self.sizes)

    def forward(self, values_NCHW: torch.Tensor) -> torch.Tensor:
        """Features (N, size) of one norm."""
        pixels = self.standard(values_NCHW).reshape(-1, 1, *values_NCHW.shape[-2:])
        first = _moduli(pixels, self.fine, 1)
        second = _moduli(pixels, self.coarse, 2)
        third = _moduli(first.flatten(0, 1).unsqueeze(1), self.coarse, 2)
        orders = [
            _averaged(pixels, self.wide, 4),
            torch.cat([_averaged(first, self.wide, 4), _averaged(second, self.narrow, 2)], 1),
            _averaged(third, self.narrow, 2),
        ]
        rows = [order.reshape(-1, size) for order, size in zip(orders, self.sizes, strict=True)]
        return of_one_norm(torch.cat([_standard(row) for row in rows], 1))


def pixels_of(task: Task) -> tuple[int, int, int]:
    """(C, H, W) of the task's windows, which may lack C; InvalidConfiguration for vectors."""
    shape = task.window_shape
    return (1, shape[0], shape[1]) if len(shape) == 2 else image_shape(task, "scatter")


def _standard(row_NF: torch.Tensor) -> torch.Tensor:
    away_NF = centred(row_NF)
    return away_NF / ((away_NF * away_NF).mean(1, keepdim=True) + _BLANK).sqrt()


def _moduli(maps: torch.Tensor, filters: torch.Tensor, stride: int) -> torch.Tensor:
    """Moduli (M, angles, ...) of maps (M, 1, H, W)."""
    waves = conv2d(_padded(maps, filters), filters, stride=stride)
    real, imaginary = waves.chunk(2, 1)
    return (real * real + imaginary * imaginary + _SMOOTH**2).sqrt() - _SMOOTH


def _averaged(maps: torch.Tensor, average: torch.Tensor, stride: int) -> torch.Tensor:
    """Local averages of maps (M, K, H, W), each by itself."""
    return conv2d(_padded(maps.flatten(0, 1).unsqueeze(1), average), average, stride=stride)


def _padded(maps: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """With the pixels at the border repeated beyond it."""
    radius = filters.shape[-1] // 2
    return pad(maps, (radius,) * 4, mode="replicate")


def _grid(radius: int) -> tuple[torch.Tensor, torch.Tensor]:
    line = torch.arange(-radius, radius + 1, dtype=torch.float64)
    return line[:, None], line[None, :]


def _wavelets(
    directions: list[float], deviation: float, frequency: float, radius: int
) -> torch.Tensor:
    """Morlet wavelets (2 * angles, 1, size, size): real parts, then imaginary ones."""
    down, right = _grid(radius)
    slant = 4 / len(directions)
    waves = []
    for angle in directions:
        along = math.cos(angle) * right + math.sin(angle) * down
        across = math.cos(angle) * down - math.sin(angle) * right
        envelope = torch.exp(-(along**2 + (slant * across) ** 2) / (2 * deviation**2))
        wave = torch.polar(envelope, frequency * along)
        waves.append(wave - envelope * (wave.sum() / envelope.sum()))
    stack = torch.stack(waves) / (2 * math.pi * deviation**2 / slant)
    return torch.cat([stack.real, stack.imag]).float().unsqueeze(1)


def _average(deviation: float, radius: int) -> torch.Tensor:
    """A Gaussian (1, 1, size, size) of sum 1."""
    down, right = _grid(radius)
    bell = torch.exp(-(down**2 + right**2) / (2 * deviation**2))
    return (bell / bell.sum()).float()[None, None]
