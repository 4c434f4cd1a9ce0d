"""MobileNetV3-small (Howard et al. 2019) from torchvision, with group normalisation."""

import torch
from torch import nn

from fl_common.configuration.rules import Rule, number, one_of, require
from fl_common.vocabulary import Parameters, Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net, parameters_of
from models.parts.layers import group_norm, image_shape, zero_linear
from models.parts.published import first_convolution, scale_and_shift
from models.parts.torchvision_import import import_torchvision

_EPSILON = 1e-3
"""Of torchvision's batch normalisation in this network."""
_UNGROUPED = Rule(
    "does not fit a published network, which has batch normalisation", lambda grouped: not grouped
)


class MobileNet(Net):
    """torchvision's ``mobilenet_v3_small`` for image sensors of any number of channels.

    About 1.5 million parameters. ``trained`` is all of them, or the head alone: the last linear
    layer, from zero, on features that stay as they are. They are random unless the run begins with
    parameters; no weights are downloaded. ``groups`` are those of the group normalisation that
    replaces batch normalisation (which DP excludes); None: each channel has a scale and a shift
    instead, to which a published network's normalisation comes down. ``stem_stride`` is the
    stride of the first convolution: 2 as published for images of 224 pixels, 1 for small ones such
    as 28 x 28, of which nothing would be left after five halvings.

    Raises:
        InvalidConfiguration: windows that are not images, or an option out of range.
    """

    def __init__(self, task: Task, *, groups: int | None, stem_stride: int, trained: str) -> None:
        channels = image_shape(task, "mobilenet")[0]
        require("net.trained", trained, one_of(("all", "head")))
        require(
            "net.stem_stride",
            stem_stride,
            number("must be 1 or 2", lambda stride: stride in (1, 2)),
        )
        models = import_torchvision().models
        body = models.mobilenet_v3_small(
            num_classes=kind_of(task).outputs,
            block=lambda *settings: _Residual(models.mobilenetv3.InvertedResidual(*settings)),
            norm_layer=_ScaleAndShift
            if groups is None
            else lambda width: group_norm(width, groups),
            dropout=0.0,
        )
        stem = body.features[0][0]
        body.features[0][0] = nn.Conv2d(
            channels, stem.out_channels, stem.kernel_size, stem_stride, stem.padding, bias=False
        )
        for module in body.modules():
            if hasattr(module, "inplace"):
                module.inplace = False  # hooks of per-sample gradients need the values before
            if isinstance(module, _ScaleAndShift):
                module.begin()  # torchvision took it for any convolution
        if trained == "head":
            body.requires_grad_(False)
            body.classifier[-1] = zero_linear(
                body.classifier[-1].in_features, kind_of(task).outputs
            )
        super().__init__(Normalise(task), body)
        self._channels, self._grouped = channels, groups is not None

    def adopted(self, found: Parameters) -> Parameters:
        """A state of torchvision's network with batch normalisation; the last layer as it is."""
        if "features.0.1.running_mean" not in found:
            return found
        require("net.groups", self._grouped, _UNGROUPED, "Set net.groups=null")
        first, last = "features.0.0.weight", "classifier.3."
        adopted = {
            name: found.get(name, own) if not name.startswith(last) else own
            for name, own in parameters_of(self).items()
        }
        for name, layer in self.body.named_modules():
            if isinstance(layer, _ScaleAndShift):
                scale_C, shift_C = scale_and_shift(found, name, _EPSILON)
                adopted |= {f"{name}.weight": scale_C[:, None, None, None], f"{name}.bias": shift_C}
        return {**adopted, first: first_convolution(adopted[first], self._channels)}


class _ScaleAndShift(nn.Conv2d):
    """A number that multiplies each channel, and one that is added."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 1, groups=width)

    def begin(self) -> None:
        """Change nothing, at first."""
        for parameter, value in zip(self.parameters(), (1.0, 0.0), strict=True):
            nn.init.constant_(parameter, value)


class _Residual(nn.Module):
    """torchvision's inverted residual block with a sum that is not in place, for the same hooks."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.block = original.get_submodule("block")
        self.is_residual = bool(original.use_res_connect)

    def forward(self, values_NCHW: torch.Tensor) -> torch.Tensor:
        changed_NCHW: torch.Tensor = self.block(values_NCHW)
        return values_NCHW + changed_NCHW if self.is_residual else changed_NCHW
