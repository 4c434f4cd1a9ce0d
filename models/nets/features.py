"""Logistic regression on hand-made features of motion sensors."""

from fl_common.vocabulary import Task
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import series_shape, zero_linear
from models.parts.motion import MotionFeatures


class Features(Net):
    """One linear layer, beginning at zero, on ``models.parts.motion.MotionFeatures``.

    A few hundred parameters per label; the most accurate net here under DP on motion sensors.

    Raises:
        InvalidConfiguration: windows that are not series, or of fewer than 8 readings.
    """

    def __init__(self, task: Task) -> None:
        series_shape(task, "features")
        front = MotionFeatures(task)
        super().__init__(front, zero_linear(front.size, kind_of(task).outputs))
