"""Windows without labels: how far one lies from where all normal ones are to lie."""

from collections.abc import Sequence

from fl_common.configuration.rules import require, whole
from fl_common.vocabulary import Task
from models.kinds import ANOMALY
from models.nets import Net
from models.parts.layers import WIDTHS
from models.parts.scoring import Distance, front_of


class OneClass(Net):
    """A one-class distance on features that need no scale, for tasks of kind anomaly.

    Takes any window. ``hidden`` are the widths of layers without biases, ``dimensions`` the
    outputs; see ``models.parts.scoring``.

    Raises:
        InvalidConfiguration: an option outside its range.
    """

    kinds = (ANOMALY,)

    def __init__(self, task: Task, *, hidden: Sequence[int], dimensions: int) -> None:
        require("net.hidden", hidden, WIDTHS)
        require("net.dimensions", dimensions, whole(1))
        front = front_of(task)
        super().__init__(front, Distance(front.size, hidden, dimensions))
