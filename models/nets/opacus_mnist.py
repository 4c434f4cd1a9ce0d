"""The network of Opacus' MNIST example, to compare with the accuracy that Opacus publishes."""

from torch import nn

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import image_shape


class OpacusMnist(Net):
    """Two convolutions, each before a pooling of stride 1, and two linear layers.

    The layers of ``SampleConvNet`` in Opacus' ``examples/mnist.py``, 26 010 parameters. A
    reference: it has no options.

    Raises:
        InvalidConfiguration: windows that are not grey images of 28 x 28 pixels.
    """

    def __init__(self, task: Task) -> None:
        if image_shape(task, "opacus_mnist") != (1, 28, 28):
            raise InvalidConfiguration(
                f"net=opacus_mnist for windows {task.window_shape}",
                "takes grey images (1, 28, 28) only",
                "Choose net=cnn2d, which takes any images",
            )
        body = nn.Sequential(
            nn.Conv2d(1, 16, 8, stride=2, padding=3),
            nn.ReLU(),
            nn.MaxPool2d(2, stride=1),
            nn.Conv2d(16, 32, 4, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(2, stride=1),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 32),
            nn.ReLU(),
            nn.Linear(32, kind_of(task).outputs),
        )
        super().__init__(Normalise(task), body)
