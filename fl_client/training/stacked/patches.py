"""The patches of a convolution, and the layout of its rows for torch's kernels.

A series is treated as an image of height one.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Geometry:
    """How a kernel moves over a plane: height and width of each value."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @classmethod
    def of(cls, layer: nn.Conv1d | nn.Conv2d) -> "Geometry":
        """The geometry of an ordinary layer with zero padding."""
        padding = tuple(int(each) for each in layer.padding)
        return cls(
            _plane(layer.kernel_size, 1),
            _plane(layer.stride, 1),
            _plane(padding, 0),
            _plane(layer.dilation, 1),
        )

    def places(self, values: torch.Tensor) -> tuple[int, int]:
        """Height and width of the output for ``values`` (N, C, *space)."""
        axes = zip(
            as_plane(values).shape[2:],
            self.padding,
            self.dilation,
            self.kernel,
            self.stride,
            strict=True,
        )
        height, width = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in axes
        )
        return height, width

    def patches(self, values: torch.Tensor, *, channels_last: bool) -> torch.Tensor:
        """What each output place sees: (N, entries, T), T the places of the output.

        ``channels_last``: a patch has the channels of one place together (faster), else the places
        of one channel.
        """
        plane, padding = as_plane(values), self._padding()
        places, steps_of = self.places(values), (self.stride, self.dilation)
        if channels_last:
            padded = functional.pad(plane.permute(0, 2, 3, 1), (0, 0, *padding)).contiguous()
            sample, *steps, channel = padded.stride()
            by_place, in_patch = (_times(steps, factors) for factors in steps_of)
            seen = padded.as_strided(
                (len(plane), *places, *self.kernel, plane.shape[1]),
                (sample, *by_place, *in_patch, channel),
            )
            rows = seen.reshape(len(plane), math.prod(places), -1)
            return rows.contiguous().transpose(1, 2)
        padded = functional.pad(plane, padding).contiguous()
        sample, channel, *steps = padded.stride()
        by_place, in_patch = (_times(steps, factors) for factors in steps_of)
        seen = padded.as_strided(
            (*plane.shape[:2], *self.kernel, *places), (sample, channel, *in_patch, *by_place)
        )
        return seen.flatten(4).flatten(1, 3)

    def _padding(self) -> tuple[int, int, int, int]:
        height, width = self.padding
        return width, width, height, height


def as_plane(values: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W), of a series too."""
    return values.unsqueeze(2) if values.dim() == 3 else values


def as_groups(values: torch.Tensor, sites: int) -> torch.Tensor:
    """(S * B, C, *space) as (B, S * C, H, W), channels last in memory."""
    plane = as_plane(values)
    rows, channels, height, width = plane.shape
    split = plane.view(sites, rows // sites, channels, height, width)
    last = split.permute(1, 3, 4, 0, 2).reshape(rows // sites, height, width, sites * channels)
    return last.permute(0, 3, 1, 2)


def blank_groups(values: torch.Tensor, sites: int) -> torch.Tensor:
    """The form of ``as_groups``, with nothing in it."""
    rows, channels, height, width = as_plane(values).shape
    last = values.new_empty(rows // sites, height, width, sites * channels)
    return last.permute(0, 3, 1, 2)


def from_groups(together: torch.Tensor, into: torch.Tensor, sites: int) -> None:
    """Write (B, S * C, H, W) to ``into`` (S * B, C, *space)."""
    rows, _, height, width = together.shape
    split = together.unflatten(1, (sites, -1))
    into.view(sites, rows, -1, height, width).copy_(split.transpose(0, 1))


def _plane(axes: tuple[int, ...], first: int) -> tuple[int, int]:
    """The two axes of a plane; ``first`` is the height's where there is one axis."""
    return (first, axes[0]) if len(axes) == 1 else (axes[0], axes[1])


def _times(steps: list[int], factors: tuple[int, int]) -> list[int]:
    return [step * factor for step, factor in zip(steps, factors, strict=True)]
