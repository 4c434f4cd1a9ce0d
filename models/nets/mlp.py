"""A multilayer perceptron on all normalised values of a window."""

import itertools
import math
from collections.abc import Sequence

from torch import nn

from fl_common.configuration.rules import require
from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import WIDTHS, activation_layer


class Mlp(Net):
    """Fully connected layers of ``hidden`` widths, with ``activation`` (relu, tanh) between.

    Takes any window: vectors (C,), series (T, C) and images (C, H, W).

    Raises:
        InvalidConfiguration: an option outside its range.
    """

    def __init__(self, task: Task, *, hidden: Sequence[int], activation: str) -> None:
        require("net.hidden", hidden, WIDTHS)
        widths = [math.prod(task.window_shape), *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), activation_layer(activation)]
        layers.append(nn.Linear(widths[-1], kind_of(task).outputs))
        super().__init__(nn.Sequential(Normalise(task), nn.Flatten()), nn.Sequential(*layers))
