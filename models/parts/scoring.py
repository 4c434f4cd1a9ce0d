"""Bodies that put out a window's anomaly score and a threshold, from features of one norm.

A score is a mean square of what a network leaves unexplained, as a share of the features' power: at
least 0, and 1 for a network that knows nothing, which is how each begins. None can make all scores
0 by ignoring its input.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from fl_common.vocabulary import Task
from models.parts.layers import tanh_layers, zero_linear
from models.parts.rows import POWER, ScaleFreeRows
from models.parts.scale_free import SHORTEST, ScaleFreeSeries
from models.parts.scattering import LARGEST, SMALLEST, Scattering, pixels_of

THRESHOLD = "threshold"
"""The parameter that no trainer changes: what a run finds of normal scores in its end."""

_ANGLES = 6
_OUTER = math.sqrt(POWER / 8)
"""By which what is learnt is enlarged, so that rates of other networks here suit it, too."""


def front_of(task: Task) -> ScaleFreeSeries | ScaleFreeRows | Scattering:
    """Features of windows of any shape that need no scale, each row of one norm."""
    shape = task.window_shape
    if len(shape) == 3:
        sides = pixels_of(task)[1:]
        if SMALLEST <= min(sides) <= max(sides) <= LARGEST:
            return Scattering(task, _ANGLES)
    if len(shape) == 2 and shape[0] >= SHORTEST:
        return ScaleFreeSeries(task)
    return ScaleFreeRows(task)


class Scored(nn.Module):
    """Outputs (N, 2): each window's score, and the threshold, 1 until a run has found it."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.ones(1), requires_grad=False)

    def with_threshold(self, score_N: torch.Tensor) -> torch.Tensor:
        """Scores (N,) with the threshold beside each."""
        return torch.stack([score_N, self.threshold.expand_as(score_N)], 1)


class Reconstruction(Scored):
    """What a narrow network can't say again of the features (Hinton and Salakhutdinov 2006).

    It says the mean of all windows, and of what a window has beside that, what goes through layers
    of ``hidden`` widths with tanh, the narrowest in the middle. It begins by saying nothing: mean
    and last layer are zero. ``gain`` is how far a step moves the second part: under DP its noise,
    too.
    """

    def __init__(self, size: int, hidden: Sequence[int], gain: float) -> None:
        super().__init__()
        layers = tanh_layers([size, *hidden])
        self.mean = zero_linear(1, size, bias=False)
        self.layers = nn.Sequential(*layers)
        self.last = zero_linear(hidden[-1], size, bias=False)
        self.gain = gain

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        """Scores and threshold (N, 2)."""
        rest_NF = features_NF - self.mean(torch.ones_like(features_NF[:, :1])) * _OUTER
        rest_NF = rest_NF - self.last(self.layers(rest_NF) * self.gain) * _OUTER
        return self.with_threshold((rest_NF * rest_NF).sum(1) / POWER)


class Distance(Scored):
    """The distance from a fixed centre: a one-class network (Ruff et al. 2018, Deep SVDD).

    Layers of ``hidden`` widths with tanh, then ``dimensions`` outputs, of which the centre has all
    at one. No layer has a bias and the centre is not zero, so a network that ignores its input
    can't reach the centre: its score is 1.
    """

    def __init__(self, size: int, hidden: Sequence[int], dimensions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*tanh_layers([size, *hidden], bias=False))
        self.last = nn.Linear(hidden[-1], dimensions, bias=False)
        self.inner = hidden[-1] ** -0.5

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        """Scores and threshold (N, 2)."""
        rest_ND = self.last(self.layers(features_NF)) - 1.0
        return self.with_threshold((rest_ND * rest_ND).mean(1))
