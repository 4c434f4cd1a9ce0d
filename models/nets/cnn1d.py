"""A small convolutional network over time, for windows of sensor readings."""

from collections.abc import Sequence

from torch import nn

from fl_common.vocabulary import Task
from models.fronts import ChannelsFirst, Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import halving_convolutions, series_shape


class Cnn1d(Net):
    """Convolutions over time, each halving it, then one linear layer.

    ``widths`` are the channels after each convolution, ``kernel`` the readings (odd) that one of
    its outputs sees, ``norm`` is group (in ``groups``), batch (not with DP) or none, and
    ``activation`` relu or tanh.

    Raises:
        InvalidConfiguration: windows that are not series or too short, or an option out of range.
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
    ) -> None:
        length, channels = series_shape(task, "cnn1d")
        layers, size = halving_convolutions(
            (channels, length), widths, kernel, norm, groups, activation
        )
        super().__init__(
            nn.Sequential(Normalise(task), ChannelsFirst()),
            nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, kind_of(task).outputs)),
        )
