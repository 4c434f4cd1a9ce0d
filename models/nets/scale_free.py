"""Windows in any units: features that need no scale, and a small body."""

from collections.abc import Sequence

from torch import nn

from fl_common.configuration.rules import require
from fl_common.vocabulary import Task
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import LAYERS, tanh_layers, zero_linear
from models.parts.rows import ScaleFreeRows
from models.parts.scale_free import SHORTEST, ScaleFreeSeries


class ScaleFree(Net):
    """One linear layer, beginning at zero, on features of a window that need no scale.

    Series of 8 readings or more are described by ``models.parts.scale_free.ScaleFreeSeries``; all
    other windows by ``models.parts.rows.ScaleFreeRows``. ``hidden`` are the widths of layers with
    tanh before the linear one: none by default.

    Raises:
        InvalidConfiguration: an option outside its range.
    """

    def __init__(self, task: Task, *, hidden: Sequence[int]) -> None:
        require("net.hidden", hidden, LAYERS)
        is_series = len(task.window_shape) == 2 and task.window_shape[0] >= SHORTEST
        front = ScaleFreeSeries(task) if is_series else ScaleFreeRows(task)
        labels, layers = kind_of(task).outputs, tanh_layers([front.size, *hidden])
        last = nn.Linear(hidden[-1], labels) if hidden else zero_linear(front.size, labels)
        super().__init__(front, nn.Sequential(*layers, last))
