"""Front ends: fixed functions of one window, without parameters, that go before a trainable body.

A front end processes one window at a time and holds only public constants (declared by the task, or
written here), so it takes no part in the privacy accounting: clipping and noise act on the
gradients of the body. A site computes it once for its windows; the exported model contains it.
"""

import math

import torch
from torch import nn

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task


def check_constants(task: Task) -> None:
    """Raise InvalidConfiguration unless every channel has a center, and a scale above 0."""
    channels = task.window_shape[task.channel_axis]
    if not len(task.center) == len(task.scale) == channels:
        raise InvalidConfiguration(
            f"task {task.name} with {len(task.center)} centers and {len(task.scale)} scales",
            f"needs one of each for its {channels} channels",
            "Declare center and scale for every channel",
        )
    if not all(0 < scale < math.inf for scale in task.scale):
        raise InvalidConfiguration(
            f"task {task.name} with scale {list(task.scale)}",
            "every scale must be a finite number above 0",
            "Declare the spread that the sensor's readings have",
        )


class Normalise(nn.Module):
    """Sensor units to numbers near one: ``(value - center) / scale``, channel by channel.

    (N, *task.window_shape) to the same shape, with the constants that the task declares.

    Raises:
        InvalidConfiguration: not one constant per channel, or a scale that is not above 0.
    """

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        check_constants(task)
        along_channels = [1] * len(task.window_shape)
        along_channels[task.channel_axis] = len(task.center)
        self.register_buffer("center", torch.tensor(task.center).reshape(along_channels))
        self.register_buffer("scale", torch.tensor(task.scale).reshape(along_channels))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values in sensor units to values near one, same shape."""
        return (values - self.center) / self.scale


class StandardWindows(nn.Module):
    """Each window to mean 0 and power 1 over all of its values, whatever its unit; blank ones to 0.

    After ``Normalise``, so that channels which the task scales apart stay so. In float64: squares
    of any float32 are finite.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.normalise = Normalise(task)
        self.axes = tuple(range(1, 1 + len(task.window_shape)))

    def forward(self, values_N: torch.Tensor) -> torch.Tensor:
        """Numbers near one, same shape and type."""
        doubles_N = self.normalise(values_N.double())
        swing_N = doubles_N - doubles_N.mean(self.axes, keepdim=True)
        level_N = (doubles_N * doubles_N).mean(self.axes, keepdim=True)
        rest_N = (1e-12 * level_N).clamp(min=1e-60)  # ONNX Runtime drops so small a summand
        power_N = (swing_N * swing_N).mean(self.axes, keepdim=True) + rest_N
        standard_N: torch.Tensor = swing_N / power_N.sqrt()
        return standard_N.to(values_N.dtype)


class Resized(nn.Module):
    """Images (N, C, H, W) to (N, C, side, side), by interpolation between neighbouring pixels."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, values_NCHW: torch.Tensor) -> torch.Tensor:
        """(N, C, side, side)."""
        return nn.functional.interpolate(values_NCHW, (self.side, self.side), mode="bilinear")


class ChannelsFirst(nn.Module):
    """Series (N, T, C) to (N, C, T), the order that convolutions over time take."""

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """The same values, (N, C, T)."""
        return values_NTC.transpose(1, 2)


class AveragesOverTime(nn.Module):
    """Series (N, T, C) to (N, T // readings, C): the mean of every ``readings`` in a row.

    Fewer, quieter steps for a recurrent net; readings left over at the end are not used.
    """

    def __init__(self, readings: int) -> None:
        super().__init__()
        self.readings = readings

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Averages (N, T // readings, C)."""
        values_NCT = values_NTC.transpose(1, 2)
        return nn.functional.avg_pool1d(values_NCT, self.readings).transpose(1, 2)
