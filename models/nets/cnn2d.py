"""A small convolutional network for images."""

from collections.abc import Sequence

from torch import nn

from fl_common.vocabulary import Task
from models.fronts import Normalise, StandardWindows
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import halving_convolutions, image_shape


class Cnn2d(Net):
    """Convolutions that each halve the image, then one linear layer.

    ``widths`` are the channels after each convolution, ``kernel`` the pixels (odd) on a side that
    one of its outputs sees, ``norm`` is group (in ``groups``), batch (not with DP) or none, and
    ``activation`` relu or tanh. ``per_window`` brings each image to mean 0 and power 1 by itself,
    so that no scale need be declared.

    Raises:
        InvalidConfiguration: windows that are not images or too small, or an option out of range.
    """

    def __init__(
        self,
        task: Task,
        *,
        widths: Sequence[int],
        kernel: int,
        norm: str,
        groups: int,
        activation: str,
        per_window: bool,
    ) -> None:
        shape = image_shape(task, "cnn2d")
        layers, size = halving_convolutions(shape, widths, kernel, norm, groups, activation)
        super().__init__(
            StandardWindows(task) if per_window else Normalise(task),
            nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, kind_of(task).outputs)),
        )
