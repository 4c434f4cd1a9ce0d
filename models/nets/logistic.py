"""Logistic regression: one linear layer on all normalised values of a window."""

import math

from torch import nn

from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import zero_linear


class Logistic(Net):
    """Multinomial logistic regression; convex, initialised to zero, takes any window.

    Parameters: (values in a window + 1) x labels.
    """

    def __init__(self, task: Task) -> None:
        front = nn.Sequential(Normalise(task), nn.Flatten())
        super().__init__(front, zero_linear(math.prod(task.window_shape), kind_of(task).outputs))
