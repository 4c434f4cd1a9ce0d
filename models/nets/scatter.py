"""Small images: a fixed scattering transform and a linear layer."""

from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import zero_linear
from models.parts.scattering import LARGEST, SMALLEST, Scattering, pixels_of


class Scatter(Net):
    """One linear layer, beginning at zero, on ``models.parts.scattering.Scattering``.

    ``angles`` are the directions of its wavelets. Windows (H, W) are grey images.

    Raises:
        InvalidConfiguration: windows that are no images of 8 to 64 pixels on a side, or an option
            out of range.
    """

    def __init__(self, task: Task, *, angles: int) -> None:
        extent = pixels_of(task)[1:]
        require("net.angles", angles, whole(1, 16))
        if not SMALLEST <= min(extent) <= max(extent) <= LARGEST:
            raise InvalidConfiguration(
                f"net=scatter for images of {extent[0]} x {extent[1]} pixels",
                f"takes {SMALLEST} to {LARGEST} on a side",
                "Choose net=cnn2d or net=mobilenet for larger ones, net=scale_free for smaller",
            )
        front = Scattering(task, angles)
        super().__init__(front, zero_linear(front.size, kind_of(task).outputs))
