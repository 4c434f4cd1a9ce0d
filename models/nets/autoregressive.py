"""The next readings as a weighted sum of those before."""

from torch import nn

from fl_common.vocabulary import Task
from models.kinds import FORECAST, kind_of
from models.nets import Net
from models.parts.lags import Lags
from models.parts.layers import zero_linear


class Autoregressive(Net):
    """One linear layer from ``models.parts.lags.Lags`` to the next readings, for tasks of forecast.

    It is the same for all channels, as in DLinear (Zeng et al. 2023), so there are few parameters
    for the noise to fall on; it begins at zero, where the last reading stays.

    Raises:
        InvalidConfiguration: windows that are not series.
    """

    kinds = (FORECAST,)

    def __init__(self, task: Task) -> None:
        front = Lags(task)
        last = zero_linear(front.size, kind_of(task).outputs // len(task.channels))
        super().__init__(front, nn.Sequential(last, nn.Flatten()))
