"""Windows without labels: how much of one a narrow network can't say again."""

from collections.abc import Sequence

from fl_common.configuration.rules import above, require
from fl_common.vocabulary import Task
from models.kinds import ANOMALY
from models.nets import Net
from models.parts.layers import WIDTHS
from models.parts.scoring import Reconstruction, front_of


class Autoencoder(Net):
    """The reconstruction error of features that need no scale, for tasks of kind anomaly.

    Takes any window. ``hidden`` are the widths of its layers, the narrowest in the middle, and
    ``gain`` is how far a step moves them; see ``models.parts.scoring``.

    Raises:
        InvalidConfiguration: an option outside its range.
    """

    kinds = (ANOMALY,)

    def __init__(self, task: Task, *, hidden: Sequence[int], gain: float) -> None:
        require("net.hidden", hidden, WIDTHS)
        require("net.gain", gain, above(0))
        front = front_of(task)
        super().__init__(front, Reconstruction(front.size, hidden, gain))
