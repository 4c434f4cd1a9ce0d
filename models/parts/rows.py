"""Vectors that need no scale: each value as angles of its logarithm, and rows of one norm."""

import math

import torch
from torch import nn

from fl_common.vocabulary import Task
from models.fronts import Normalise

POWER = 128.0
"""Squared norm of every row: one learning rate serves 50 features and 5000."""
_LEAST = 1e-3
"""Squared norm below which a row is rounding, and is not enlarged to the others' norm."""
_UNITS = (1.0, 1e-3)
"""Where the logarithm begins: smaller values count as they are."""


class ScaleFreeRows(nn.Module):
    """Windows of any shape (N, ...) to rows (N, size), each value by itself.

    Of ``v = sign(x) log(1 + |x| / unit)`` the sine and the cosine, for a unit of 1 and of a
    thousandth. A channel in other units, such as a thousand times larger, has its angles turned by
    a constant, which the weights of a linear layer absorb; none outweighs the others. In float64,
    as ``ScaleFreeSeries`` is.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.normalise = Normalise(task)
        self.size = 2 * len(_UNITS) * math.prod(task.window_shape)

    def forward(self, values_N: torch.Tensor) -> torch.Tensor:
        """Sines and cosines (N, size) of one norm."""
        values_NC = self.normalise(values_N.double()).flatten(1)
        angles = [signed_log(values_NC / unit) for unit in _UNITS]
        features = [part for angle_NC in angles for part in (angle_NC.sin(), angle_NC.cos())]
        return of_one_norm(torch.cat(features, 1)).to(values_N.dtype)


class StandardRows(nn.Module):
    """Features of windows (N, F) less each row's mean, and of one norm."""

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return of_one_norm(centred(features_NF))


def signed_log(values: torch.Tensor) -> torch.Tensor:
    """``sign(x) log(1 + |x|)``: about x near 0, and logarithmic far from it."""
    return values.sign() * values.abs().log1p()


def centred(features_NF: torch.Tensor) -> torch.Tensor:
    """The features of each window less their mean."""
    return features_NF - features_NF.mean(1, keepdim=True)


def of_one_norm(features_NF: torch.Tensor) -> torch.Tensor:
    """Each row divided by its norm, and times one that is the same for all windows and nets."""
    power_N1 = (features_NF * features_NF).sum(1, keepdim=True)
    return features_NF * (POWER / (power_N1 + _LEAST)).sqrt()
