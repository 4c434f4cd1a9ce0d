"""A label for each reading, by what is around it."""

from collections.abc import Sequence

from torch import nn

from fl_common.configuration.rules import require
from fl_common.vocabulary import Task
from models.kinds import SEQUENCE
from models.nets import Net
from models.parts.layers import LAYERS, tanh_layers, zero_linear
from models.parts.surroundings import Surroundings


class Labeller(Net):
    """One linear layer, beginning at zero, on ``models.parts.surroundings.Surroundings``.

    It is the same for all readings, so a window's length costs no parameters. ``hidden`` are the
    widths of layers with tanh before the linear one: none by default. For tasks of sequence.

    Raises:
        InvalidConfiguration: windows that are not series, or an option outside its range.
    """

    kinds = (SEQUENCE,)

    def __init__(self, task: Task, *, hidden: Sequence[int]) -> None:
        require("net.hidden", hidden, LAYERS)
        front = Surroundings(task)
        widths = [front.size, *hidden]
        layers, last = tanh_layers(widths), zero_linear(widths[-1], len(task.labels))
        super().__init__(front, nn.Sequential(*layers, last, nn.Flatten()))
