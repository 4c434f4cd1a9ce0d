"""Which networks can be trained with DP: a public fact about code, checked before any charge."""

from functools import lru_cache

from torch import nn

from fl_client.training.independence import mixes_windows
from fl_client.training.trial import why_wrong_gradients
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Task
from models.fronts import AveragesOverTime, ChannelsFirst, Normalise, StandardWindows
from models.nets import Net
from models.parts.attention import Patches
from models.parts.bands import Bands
from models.parts.lags import Lags
from models.parts.motion import MotionFeatures
from models.parts.rows import ScaleFreeRows
from models.parts.scale_free import ScaleFreeSeries
from models.parts.scattering import Scattering
from models.parts.surroundings import Surroundings


def why_not_under(privacy: PrivacyPlan, net: Net, task: Task) -> InvalidConfiguration | None:
    """Why ``net`` can't be trained under ``privacy``; None if it can."""
    if privacy.sample_mechanism is not None:
        return why_not_private(net, task)
    return why_not_site_level(net) if privacy.update_mechanism is not None else None


def why_not_site_level(net: Net) -> InvalidConfiguration | None:
    """Why noise on the whole update of ``net`` would break it; None if it would not.

    Only trained entries can take noise: the running variance of a BatchNorm could turn negative.
    """
    for name, buffer in net.body.named_buffers():
        if buffer.is_floating_point():
            return InvalidConfiguration(
                f"buffer {name} of net {type(net).__name__}",
                "is sent but not trained, and can't take the noise of site-level DP",
                "Use GroupNorm for BatchNorm, or privacy=none",
            )
    return None


_KNOWN_LAYERS = frozenset(
    {
        nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.Conv1d,
        nn.Conv2d, nn.Flatten, nn.GroupNorm, nn.Identity, nn.LayerNorm, nn.Linear, nn.MaxPool1d,
        nn.MaxPool2d, nn.ReLU, nn.Sequential, nn.Tanh,
    }
)  # fmt: skip
"""Layers that don't mix samples; a net of only these can be checked without importing Opacus."""


_KNOWN_FRONTS = _KNOWN_LAYERS | {
    AveragesOverTime,
    Bands,
    ChannelsFirst,
    Lags,
    MotionFeatures,
    Normalise,
    Patches,
    ScaleFreeRows,
    ScaleFreeSeries,
    Scattering,
    StandardWindows,
    Surroundings,
}
"""Front ends of ours, which treat each window by itself."""


@lru_cache(maxsize=16)
def why_not_private(net: Net, task: Task) -> InvalidConfiguration | None:
    """Why ``net`` can't be trained with DP-SGD on windows of ``task``; None if it can.

    A net of known layers is not tried; to any other, Opacus' rules apply, and then windows show
    whether it treats each by itself, front end included.
    """
    if problem := _why_not_by_rule(net):
        return problem
    known = [(net.front, _KNOWN_FRONTS), (net.body, _KNOWN_LAYERS)]
    if all(type(layer) in types for part, types in known for layer in part.modules()):
        return None
    if mixes_windows(net, task):
        return InvalidConfiguration(
            f"net {type(net).__name__}",
            "can't be trained with DP-SGD: what it makes of a window depends on the other windows"
            " of its batch",
            "Compute nothing over the first axis, the windows; GroupNorm and LayerNorm take one",
        )
    if wrong := _why_not_by_trial(net, task):
        return _not_private(f"net {type(net).__name__}", wrong, _OTHERS)
    return None


def _why_not_by_rule(net: Net) -> InvalidConfiguration | None:
    """Opacus' rules for every layer that is not known here.

    Opacus itself checks only layers with parameters, but a BatchNorm without any mixes samples,
    too.
    """
    if all(type(layer) in _KNOWN_LAYERS for layer in net.body.modules()):
        return None
    from opacus.grad_sample import GradSampleHooks
    from opacus.validators import ModuleValidator

    for name, layer in net.body.named_modules():
        value = f"layer {name} ({type(layer).__name__})"
        if isinstance(layer, nn.RNN):
            return _not_private(value, "Opacus has no gradients of its windows", _instead(layer))
        for kind, rule in ModuleValidator.VALIDATORS.items():
            if isinstance(layer, kind) and (problems := rule(layer)):
                return _not_private(value, str(problems[0]), _instead(layer))
    for problem in GradSampleHooks.validate(net.body, strict=False):
        return _not_private(f"net {type(net).__name__}", str(problem), _OTHERS)
    return None


def _why_not_by_trial(net: Net, task: Task) -> str | None:
    """What Opacus raises with ``net``, or does wrong; None if it is right."""
    try:
        return why_wrong_gradients(net, task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


_INSTEAD = (
    (nn.LSTM, "DPLSTM of opacus.layers for LSTM"),
    (nn.GRU, "DPGRU of opacus.layers for GRU"),
    (nn.RNN, "DPRNN of opacus.layers for RNN"),
    (nn.MultiheadAttention, "DPMultiheadAttention of opacus.layers for MultiheadAttention"),
    (nn.modules.batchnorm._NormBase, "GroupNorm for BatchNorm"),
)
_OTHERS = "layers that Opacus supports, and change nothing in place"


def _instead(layer: nn.Module) -> str:
    """What takes the place of a layer."""
    return next((words for kind, words in _INSTEAD if isinstance(layer, kind)), _OTHERS)


def _not_private(value: str, problem: str, instead: str) -> InvalidConfiguration:
    reason = " ".join(problem.split()).split(". ")[0].rstrip(".")[:300]
    remedy = f"Use {instead}, or privacy=none"
    return InvalidConfiguration(value, f"can't be trained with DP-SGD ({reason})", remedy)
