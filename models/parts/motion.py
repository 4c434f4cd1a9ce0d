"""Hand-made features of series from motion sensors: a front end without parameters.

Classic features of accelerometers and gyroscopes (means, ranges, energies, spectra, correlations,
the direction of gravity; Anguita et al. 2013 for smartphones), written as fixed tensor operations.
A linear body on these learns from few noisy steps, where a deep body has to spend its privacy
budget on finding such features first (Tramer and Boneh 2021).
"""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.fronts import check_constants

GRAVITY: Mapping[str, float] = {"g": 1.0, "m/s2": 9.80665}
"""Units of accelerometers, with the value of standard gravity in each (CGPM 1901)."""

_WITHOUT_GRAVITY = ("body", "linear")

_BAND_ENDS = (1, 2, 3, 4, 6, 8, 12, 18, 28, 48, 76, 120, 190, 300, 480, 760, 1200)
"""Last frequency of each band of the spectrum, in cycles per window."""

_FLOOR = 0.01
"""Below this an oscillation counts as rest; keeps the logarithms within about -1 to 1."""


@dataclass(frozen=True)
class _Sensor:
    """Channels of one sensor: its axes. ``first`` to ``first + axes - 1`` in the task's order."""

    first: int
    axes: int
    feels_gravity: bool

    @property
    def signals(self) -> int:
        """Its axes, and their magnitude where there are several."""
        return self.axes + (self.axes > 1)


class MotionFeatures(nn.Module):
    """Series (N, T, C) in sensor units to features (N, F), standardised within each window.

    Consecutive channels whose names differ only in a final x, y or z (acc_x, acc_y, acc_z) are the
    axes of one sensor; the magnitude over its axes is one more signal. For each signal: mean,
    largest and smallest value, and the logarithms of variance, of mean squared difference and of
    the power in each band of its spectrum (Hann window). Of each sensor: the correlations between
    its axes. Of each accelerometer in which gravity was left (its name does not begin with body or
    linear): the direction of gravity, and the products of its coordinates.

    Accelerations are taken relative to gravity; other channels by the task's center and scale,
    where the largest scale of a sensor's axes counts for all of them.

    Raises:
        InvalidConfiguration: windows of fewer than 8 readings.
    """

    center: torch.Tensor
    unit: torch.Tensor
    cosines: torch.Tensor
    sines: torch.Tensor
    bands: torch.Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        length = task.window_shape[0]
        if length < 8:
            raise InvalidConfiguration(
                f"task {task.name} with windows of {length} readings",
                "motion features need at least 8",
                "Make the windows longer, or choose net=mlp",
            )
        self.sensors = _sensors(task)
        center, unit = _constants(task, self.sensors)
        self.register_buffer("center", torch.tensor(center))
        self.register_buffer("unit", torch.tensor(unit))
        for name, buffer in _spectrum(length).items():
            self.register_buffer(name, buffer.float())
        signals = sum(sensor.signals for sensor in self.sensors)
        directions = [s.axes for s in self.sensors if s.feels_gravity]
        self.size = (
            signals * (5 + self.bands.shape[1])
            + sum(math.comb(sensor.axes, 2) for sensor in self.sensors)
            + sum(2 * axes + math.comb(axes, 2) for axes in directions)
        )

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Features (N, size)."""
        signals_NTS = self._signals((values_NTC - self.center) / self.unit)
        mean_NS = signals_NTS.mean(1)
        swing_NTS = signals_NTS - mean_NS.unsqueeze(1)
        variance_NS = (swing_NTS * swing_NTS).mean(1)
        steps_NTS = signals_NTS[:, 1:] - signals_NTS[:, :-1]
        features = [
            mean_NS.clamp(-2, 2),
            signals_NTS.amax(1).clamp(-3, 3) / 1.5,
            signals_NTS.amin(1).clamp(-3, 3) / 1.5,
            _log_power(variance_NS),
            _log_power((steps_NTS * steps_NTS).mean(1) * 4),
            _log_power(self._band_power(swing_NTS)).flatten(1),
        ]
        first = 0
        for sensor in self.sensors:
            axes = slice(first, first + sensor.axes)
            if sensor.axes > 1:
                features.append(_correlations(swing_NTS[:, :, axes], variance_NS[:, axes]))
            first += sensor.signals
        features += self._gravity(mean_NS)
        return _standardised(torch.cat(features, 1))

    def _signals(self, values_NTC: torch.Tensor) -> torch.Tensor:
        signals: list[torch.Tensor] = []
        for sensor in self.sensors:
            axes_NTA = values_NTC[:, :, sensor.first : sensor.first + sensor.axes]
            signals.append(axes_NTA)
            if sensor.axes > 1:
                signals.append(torch.sqrt((axes_NTA * axes_NTA).sum(2, keepdim=True) + 1e-6))
        return torch.cat(signals, 2)

    def _band_power(self, swing_NTS: torch.Tensor) -> torch.Tensor:
        """Power in each band (N, signals, bands)."""
        swing_NST = swing_NTS.transpose(1, 2)
        real, imaginary = swing_NST @ self.cosines, swing_NST @ self.sines
        return (real * real + imaginary * imaginary) @ self.bands

    def _gravity(self, mean_NS: torch.Tensor) -> list[torch.Tensor]:
        features: list[torch.Tensor] = []
        first = 0
        for sensor in self.sensors:
            if sensor.feels_gravity:
                axes_NA = mean_NS[:, first : first + sensor.axes]
                up_NA = axes_NA / torch.sqrt((axes_NA * axes_NA).sum(1, keepdim=True) + 1e-4)
                pairs = itertools.combinations(range(sensor.axes), 2)
                products = [up_NA[:, a] * up_NA[:, b] for a, b in pairs]
                features += [up_NA, up_NA * up_NA, torch.stack(products, 1) * 2]
            first += sensor.signals
        return features


def _sensors(task: Task) -> tuple[_Sensor, ...]:
    def key(channel: int) -> tuple[str, str]:
        return re.sub("_?[xyzXYZ]$", "", task.channels[channel]), task.units[channel]

    sensors = []
    for (name, unit), group in itertools.groupby(range(len(task.channels)), key):
        channels = list(group)
        feels_gravity = (
            unit in GRAVITY and len(channels) > 1 and not name.startswith(_WITHOUT_GRAVITY)
        )
        sensors.append(_Sensor(channels[0], len(channels), feels_gravity))
    return tuple(sensors)


def _constants(task: Task, sensors: tuple[_Sensor, ...]) -> tuple[list[float], list[float]]:
    """Center and unit of each channel."""
    check_constants(task)
    center, unit = list(task.center), list(task.scale)
    for sensor in sensors:
        axes = slice(sensor.first, sensor.first + sensor.axes)
        gravity = GRAVITY.get(task.units[sensor.first])
        if gravity is not None:
            center[axes] = [0.0] * sensor.axes
        unit[axes] = [gravity or max(task.scale[axes])] * sensor.axes
    return center, unit


def _spectrum(length: int) -> dict[str, torch.Tensor]:
    """Fourier matrices (T, F) after a Hann window of unit power, and bands (F, bands).

    Frequencies reach to three quarters of half the rate; the power is one-sided.
    """
    ends = [end for end in _BAND_ENDS if end <= 3 * length // 8]
    time_T = torch.arange(length, dtype=torch.float64)
    frequency_F = torch.arange(1, ends[-1] + 1, dtype=torch.float64)
    hann_T = 0.5 - 0.5 * torch.cos(2 * math.pi * (time_T + 0.5) / length)
    weight_T1 = (hann_T / hann_T.square().mean().sqrt() / length)[:, None]
    angle_TF = 2 * math.pi * time_T[:, None] * frequency_F / length
    bands = torch.zeros(ends[-1], len(ends))
    for band, (before, end) in enumerate(itertools.pairwise([0, *ends])):
        bands[before:end, band] = 2.0
    return {
        "cosines": weight_T1 * torch.cos(angle_TF),
        "sines": weight_T1 * torch.sin(angle_TF),
        "bands": bands,
    }


def _log_power(power: torch.Tensor) -> torch.Tensor:
    """Logarithm of a power: the floor's becomes -1, the unit's 1."""
    half_range = -math.log(_FLOOR)
    return (torch.log(power + _FLOOR**2) + half_range) / half_range


def _correlations(swing_NTA: torch.Tensor, variance_NA: torch.Tensor) -> torch.Tensor:
    """Correlation of each pair of axes (N, pairs); towards 0 if an axis is at rest."""
    noisy_NA = variance_NA + _FLOOR**2
    pairs = itertools.combinations(range(swing_NTA.shape[2]), 2)
    return torch.stack(
        [
            (swing_NTA[:, :, a] * swing_NTA[:, :, b]).mean(1)
            / torch.sqrt(noisy_NA[:, a] * noisy_NA[:, b])
            for a, b in pairs
        ],
        1,
    )


def _standardised(features_NF: torch.Tensor) -> torch.Tensor:
    """Mean 0 and power 1 over the features of each window: bounds their norm by sqrt(F)."""
    centered_NF = features_NF - features_NF.mean(1, keepdim=True)
    return centered_NF / torch.sqrt((centered_NF * centered_NF).mean(1, keepdim=True) + 1e-4)
