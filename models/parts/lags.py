"""The recent past of each channel, in its own units: what the next readings follow from."""

import torch
from torch import nn

from fl_common.vocabulary import Task
from models.parts.layers import series_shape

_EACH = 32
"""So many of the last readings are told one by one; of those before, ever fewer."""
_LEAST = 1e-30
"""For a channel without any change, all of whose features are 0."""
_MOST = 10.0
"""In spreads, or in steps of the usual size: one reading far off does not outweigh a window."""


class Lags(nn.Module):
    """Series (N, T, C) to features (N, C, size) of each channel, the same in any unit.

    Earlier readings as differences from the last one, in the window's spread: its mean distance
    from its mean. And the last steps from reading to reading, in the mean size of a step. The first
    tell the level, the second the course, which in a slow signal is a small part of the spread. All
    are divided by the root of their number, so one learning rate serves short and long windows. In
    float64, which has room for any float32.

    Raises:
        InvalidConfiguration: windows that are not series.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        length, _ = series_shape(task, "autoregressive")
        self.places = [length - 1 - lag for lag in lags_of(length)]
        self.steps = min(_EACH, length - 1)
        self.size = len(self.places) + self.steps

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Features (N, C, size)."""
        past_NCT = values_NTC.double().transpose(1, 2)
        past_NCT = past_NCT - past_NCT[:, :, -1:]
        spread_NC1 = (past_NCT - past_NCT.mean(2, keepdim=True)).abs().mean(2, keepdim=True)
        step_NCT = past_NCT[:, :, 1:] - past_NCT[:, :, :-1]
        usual_NC1 = step_NCT.abs().mean(2, keepdim=True)
        levels_NCF = past_NCT[:, :, self.places] / spread_NC1.clamp(min=_LEAST)
        course_NCF = step_NCT[:, :, -self.steps :] / usual_NC1.clamp(min=_LEAST)
        features_NCF = torch.cat([levels_NCF, course_NCF], 2).clamp(-_MOST, _MOST)
        scaled_NCF: torch.Tensor = features_NCF / self.size**0.5
        return scaled_NCF.to(values_NTC.dtype)


def lags_of(length: int) -> list[int]:
    """How many readings before the last one: each up to 32, then an eighth further each time."""
    lags, lag = list[int](), 1
    while lag < length:
        lags.append(lag)
        lag += 1 if lag < _EACH else lag // 8
    return lags
