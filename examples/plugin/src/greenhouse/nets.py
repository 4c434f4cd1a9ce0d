"""A network for slow series: what a window was like on the whole."""

import torch
from torch import nn

from fl_common.configuration.rules import require, whole
from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.nets import Net
from models.parts.layers import series_shape


class MeanAndSpread(nn.Module):
    """(N, T, C) to (N, 2 * C): mean and mean absolute deviation over time. No parameters."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The two figures of each channel."""
        mean = values.mean(1)
        return torch.cat([mean, (values - mean.unsqueeze(1)).abs().mean(1)], 1)


class Pooled(Net):
    """Mean and spread of each channel, then one hidden layer of ``hidden`` units.

    Raises:
        InvalidConfiguration: windows that are not series, or ``hidden`` below 1.
    """

    def __init__(self, task: Task, *, hidden: int) -> None:
        require("net.hidden", hidden, whole(1))
        _, channels = series_shape(task, "pooled")
        super().__init__(
            nn.Sequential(Normalise(task), MeanAndSpread()),
            nn.Sequential(
                nn.Linear(2 * channels, hidden), nn.Tanh(), nn.Linear(hidden, len(task.labels))
            ),
        )
