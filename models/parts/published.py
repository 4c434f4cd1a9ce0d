"""Parameters of networks that others published, for images, as parameters of ours.

Batch normalisation in evaluation mode multiplies each channel by one number and adds another, so
it becomes a scale and a shift, and no layer knows more than one window.
"""

import numpy as np

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Parameters

_COLOURS = 3


def scale_and_shift(found: Parameters, normalised: str, epsilon: float) -> tuple[Floats, Floats]:
    """What the batch normalisation at ``normalised`` does to each channel.

    Raises:
        KeyError: ``found`` has no such layer.
    """
    weight, bias, mean, variance = (
        found[f"{normalised}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale_C: Floats = (weight / np.sqrt(variance + np.float32(epsilon))).astype(np.float32)
    shift_C: Floats = bias - mean * scale_C
    return scale_C, shift_C


def first_convolution(weight_OIHW: Floats, channels: int) -> Floats:
    """A published network's first convolution, of three colours, for images of ``channels``.

    In a grey image all colours are the same, so their weights are added.

    Raises:
        InvalidConfiguration: neither grey images nor colours.
    """
    if channels == 1:
        summed_O1HW: Floats = weight_OIHW.sum(1, keepdims=True)
        return summed_O1HW
    if channels != _COLOURS:
        raise InvalidConfiguration(
            f"images of {channels} channels",
            "can't be seen by a published network, which takes one (grey) or three (red, green,"
            " blue)",
            "Leave init out, or give such images",
        )
    return weight_OIHW
