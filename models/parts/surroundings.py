"""Each reading by what is around it: level and spread at several widths, in any unit."""

import torch
from torch import nn

from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.parts.layers import series_shape
from models.parts.rows import POWER, signed_log

WIDTHS = (5, 25, 125)
"""Readings that are averaged, where a window has as many; odd, so that the reading is amid."""
_UNIT = 1e-3
"""Where the logarithm begins."""


class Surroundings(nn.Module):
    """Series (N, T, C) to features (N, T, size) of each reading, those of the window's own alone.

    For each channel and each of ``WIDTHS``: the moving average, and the mean distance of readings
    from theirs. Both as sine and cosine of their logarithm, as ``ScaleFreeRows`` has them, so
    another unit turns the angles by a constant. At the window's ends fewer readings are averaged.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        length, channels = series_shape(task, "labeller")
        self.normalise = Normalise(task)
        self.widths = [width for width in WIDTHS if width <= length] or [1]
        self.size = 4 * channels * len(self.widths)

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Features (N, T, size), each within -1 and 1, by the root of a half of their number."""
        values_NCT = self.normalise(values_NTC).transpose(1, 2)
        parts = []
        for width in self.widths:
            level_NCT = _moving(values_NCT, width)
            spread_NCT = _moving((values_NCT - level_NCT).abs(), width)
            parts += [signed_log(level_NCT / _UNIT), signed_log(spread_NCT / _UNIT)]
        angles_NFT = torch.cat(parts, 1)
        features_NFT = torch.cat([angles_NFT.sin(), angles_NFT.cos()], 1)
        scaled_NFT: torch.Tensor = features_NFT * (POWER / (self.size / 2)) ** 0.5
        return scaled_NFT.transpose(1, 2)


def _moving(values_NCT: torch.Tensor, width: int) -> torch.Tensor:
    return nn.functional.avg_pool1d(
        values_NCT, width, stride=1, padding=width // 2, count_include_pad=False
    )
