"""Features of one series that need no scale: a front end without parameters for any sensor.

Nothing is declared and nothing is learnt: each number describes the window by itself. Shapes
(spectrum, extremes, kurtosis, correlations) are taken of the window after its own mean and spread
were removed, and are the same in g, m/s2 or counts of a converter; level and spread are logarithms
or directions. At the end each row of features is given one norm, whatever their number, which
bounds the norm of a gradient. So one learning rate and one clip norm serve every sensor.
"""

import itertools
import math
import re

import torch
from torch import nn

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.fronts import Normalise
from models.parts.bands import Bands
from models.parts.rows import centred, of_one_norm, signed_log

SHORTEST = 8
_REST = 1e-12
"""Power relative to that of the level below which a signal is at rest: float32 resolves no less."""
_NOTHING = 1e-60
"""Power that counts as none: below the square of 1e-30."""
_MOST_AXES = 12
"""Channels that may be the axes of one sensor."""
_MOST_IN_PAIRS = 24
"""Channels up to which all pairs are compared; beyond, neighbours."""
_BANDS = 192
"""Bands of a window's spectra together: few channels have finer ones."""


class ScaleFreeSeries(nn.Module):
    """Series (N, T, C) in any units to features (N, size), each window by itself.

    Signals are the channels and, for each group of them, the magnitude; for a single channel its
    distance from the mean, whose spectrum is that of the envelope. Channels whose names differ
    only in a final x, y or z are a group. Where none are named so, three in a row are if there are
    3, 6, 9 or 12, else all of up to 12.

    For each signal, standardised: log power in bands of its spectrum, log step energy, extremes,
    log kurtosis, skewness, correlation with time; and the log of its spread, relative to the mean
    over signals, which is one more feature. For each channel: the mean, clamped, and its sign times
    log1p. For each group: the direction of the means and the products of its coordinates.
    Correlations of pairs of channels. All in float64, so that squares of large values are finite
    and ONNX Runtime agrees with torch.

    Raises:
        InvalidConfiguration: windows of fewer than 8 readings.
    """

    time: torch.Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        length, channels = task.window_shape
        if length < SHORTEST:
            raise InvalidConfiguration(
                f"task {task.name} with windows of {length} readings",
                f"must have at least {SHORTEST} for features of series",
                "Make the windows longer, or choose net=mlp",
            )
        self.channels = channels
        self.groups = groups_of(task)
        self.pairs = _pairs(channels)
        self.normalise = Normalise(task)
        signals = channels + len(self.groups)
        self.bands = Bands(length, max(8, min(48, _BANDS // signals)))
        self.highest = math.sqrt(2 * math.log(length))
        self.register_buffer("time", _ramp(length).float())
        axes = [len(group) for group in self.groups if len(group) > 1]
        self.size = (
            signals * (self.bands.count + 8)
            + 1
            + 2 * channels
            + sum(2 * count + math.comb(count, 2) for count in axes)
            + len(self.pairs)
        )

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Features (N, size): each row has mean 0, and the norm that all windows share."""
        signals_NTS = self._signals(self.normalise(values_NTC.double()))
        mean_NS = signals_NTS.mean(1)
        swing_NTS = signals_NTS - mean_NS.unsqueeze(1)
        power_NS = (signals_NTS * signals_NTS).mean(1)
        rest_NS = (_REST * power_NS).clamp(min=_NOTHING)  # ONNX Runtime drops so small a summand
        spread_NS = ((swing_NTS * swing_NTS).mean(1) + rest_NS).sqrt()
        standard_NTS = swing_NTS / spread_NS.unsqueeze(1)
        features = [
            *self.bands(standard_NTS),
            *self._shape(standard_NTS),
            *_spread(spread_NS),
            *self._level(mean_NS[:, : self.channels]),
            *self._correlations(standard_NTS),
        ]
        return of_one_norm(centred(torch.cat(features, 1))).to(values_NTC.dtype)

    def _signals(self, values_NTC: torch.Tensor) -> torch.Tensor:
        if self.channels == 1:
            distance_NT1 = (values_NTC - values_NTC.mean(1, keepdim=True)).abs()
            return torch.cat([values_NTC, distance_NT1], 2)
        squares_NTC = values_NTC * values_NTC
        magnitudes = [
            squares_NTC[:, :, group[0] : group[-1] + 1].sum(2, keepdim=True).sqrt()
            for group in self.groups
        ]
        return torch.cat([values_NTC, *magnitudes], 2)

    def _shape(self, standard_NTS: torch.Tensor) -> list[torch.Tensor]:
        """Step energy, extremes, kurtosis, skewness, trend: about 0 for white noise."""
        steps_NTS = standard_NTS[:, 1:] - standard_NTS[:, :-1]
        square_NTS = standard_NTS * standard_NTS
        return [
            ((steps_NTS * steps_NTS).mean(1) + 1e-3).log() / 4,
            (standard_NTS.amax(1).clamp(max=6) - self.highest) / 3,
            (standard_NTS.amin(1).clamp(min=-6) + self.highest) / 3,
            ((square_NTS * square_NTS).mean(1) / 3 + 0.03).log() / 2,
            (square_NTS * standard_NTS).mean(1).clamp(-3, 3) / 2,
            (standard_NTS * self.time.unsqueeze(1)).mean(1),
        ]

    def _level(self, mean_NC: torch.Tensor) -> list[torch.Tensor]:
        features = [mean_NC.clamp(-2, 2), signed_log(mean_NC) / 3]
        for group in self.groups:
            if len(group) > 1:
                axes_NA = mean_NC[:, group[0] : group[-1] + 1]
                length_N1 = (axes_NA * axes_NA).sum(1, keepdim=True).clamp(min=_NOTHING).sqrt()
                up_NA = axes_NA / length_N1
                pairs = itertools.combinations(range(len(group)), 2)
                products = [up_NA[:, a] * up_NA[:, b] for a, b in pairs]
                features += [up_NA, up_NA * up_NA, 2 * torch.stack(products, 1)]
        return features

    def _correlations(self, standard_NTS: torch.Tensor) -> list[torch.Tensor]:
        if not self.pairs:
            return []
        products_NCC = standard_NTS.transpose(1, 2) @ standard_NTS / standard_NTS.shape[1]
        return [torch.stack([products_NCC[:, a, b] for a, b in self.pairs], 1)]


def groups_of(task: Task) -> tuple[tuple[int, ...], ...]:
    """The channels that are the axes of one sensor, each group in a row; see ScaleFreeSeries."""
    channels = range(len(task.channels))
    named = [
        tuple(group)
        for _, group in itertools.groupby(
            channels, lambda c: (re.sub("_?[xyzXYZ]$", "", task.channels[c]), task.units[c])
        )
    ]
    if several := tuple(group for group in named if 1 < len(group) <= _MOST_AXES):
        return several
    if len(channels) > _MOST_AXES:
        return ()
    step = 3 if len(channels) % 3 == 0 else len(channels)
    return tuple(tuple(channels[first : first + step]) for first in channels[::step])


def _spread(spread_NS: torch.Tensor) -> list[torch.Tensor]:
    """The log spread of each signal relative to their mean, and that mean."""
    log_NS = spread_NS.log()
    mean_N1 = log_NS.mean(1, keepdim=True)
    return [(log_NS - mean_N1).clamp(-5, 5) / 2, mean_N1.clamp(-12, 12) / 4]


def _pairs(channels: int) -> tuple[tuple[int, int], ...]:
    if channels <= _MOST_IN_PAIRS:
        return tuple(itertools.combinations(range(channels), 2))
    return tuple(itertools.pairwise(range(channels)))


def _ramp(length: int) -> torch.Tensor:
    """A straight line over the window (T,), of mean 0 and power 1."""
    line_T = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    return line_T / line_T.square().mean().sqrt()
