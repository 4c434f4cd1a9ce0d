"""EfficientNet-Lite0 with a new last layer; its other layers may be a published network's."""

from torch import nn

from fl_common.configuration.rules import Rule, one_of, require
from fl_common.vocabulary import Parameters, Task
from models.fronts import Resized, StandardWindows
from models.kinds import kind_of
from models.nets import Net, parameters_of
from models.parts.efficientnet import FEATURES, STRIDE, efficientnet_lite0, published
from models.parts.layers import image_shape, zero_linear
from models.parts.published import first_convolution
from models.parts.rows import StandardRows

_LARGEST = 512
_SIDE = Rule(
    f"must be a multiple of {STRIDE} up to {_LARGEST}",
    lambda side: isinstance(side, int) and 0 < side <= _LARGEST and side % STRIDE == 0,
)


class EfficientNetLite(Net):
    """A linear layer, from zero, on the features of an EfficientNet-Lite0, 3.4 million parameters.

    Each image is brought to mean 0 and power 1, whatever its unit, and to ``side`` x ``side``
    pixels; its features to one norm, as those of ``net=scale_free``, so that the same rates serve.
    ``trained`` is the ``head`` alone, or ``all``. The layers below are random unless the run begins
    with parameters: its own, or those of a published network (``adopted``).

    Raises:
        InvalidConfiguration: windows that are not images, or an option out of range.
    """

    def __init__(self, task: Task, *, side: int, trained: str) -> None:
        channels = image_shape(task, "efficientnet_lite")[0]
        require("net.side", side, _SIDE)
        require("net.trained", trained, one_of(("all", "head")))
        backbone = efficientnet_lite0(channels)
        if trained == "head":
            backbone.requires_grad_(False)
        head = zero_linear(FEATURES, kind_of(task).outputs)
        super().__init__(
            nn.Sequential(StandardWindows(task), Resized(side)),
            nn.Sequential(backbone, StandardRows(), head),
        )
        self._channels = channels

    def adopted(self, found: Parameters) -> Parameters:
        """A state of the package efficientnet_lite_pytorch, as ours; the last layer as it is."""
        if "_conv_stem.weight" not in found:
            return found
        adopted = dict(parameters_of(self))
        convolutions = [
            name for name, layer in self.body.named_modules() if isinstance(layer, nn.Conv2d)
        ]
        for name, (weight, bias) in zip(convolutions, published(found), strict=True):
            adopted |= {f"{name}.weight": weight, f"{name}.bias": bias}
        first = f"{convolutions[0]}.weight"
        adopted[first] = first_convolution(adopted[first], self._channels)
        return adopted
