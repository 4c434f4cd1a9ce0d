"""What the user of ``task=arrays`` declares of the data, and the task that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Integers, Task
from simulate.world.checks import check_labels

_MOST_NUMBERED = 10_000
_DIMENSIONLESS = "1"
"""The unit of a pure number (UCUM)."""


@dataclass(frozen=True)
class Declaration:
    """Every field may be None; the configuration file says what that stands for."""

    labels: Sequence[str] | None
    channels: Sequence[str] | None
    units: Sequence[str] | None
    rate_hz: float | None
    center: float | Sequence[float] | None
    scale: float | Sequence[float] | None
    windows_per_reading: int

    def labels_of(self, source: str, y_N: NDArray[Any]) -> tuple[tuple[str, ...], Integers]:
        """The names of the labels, and the index of each row's label.

        Raises:
            InvalidData: a number or name in ``y_N`` that is not declared, or a negative number.
        """
        if y_N.dtype.kind != "U":
            names = _texts(self.labels) or _numbered(source, int(y_N.max(initial=0)))
            check_labels(source, y_N, 0, len(names))
            return names, y_N
        found, index_N = np.unique(y_N, return_inverse=True)
        names = _texts(self.labels) or tuple(found.tolist())
        unknown = [name for name in found.tolist() if name not in names]
        if unknown:
            raise InvalidData(
                f"{source}: y {unknown[0]!r}",
                f"must be one of the declared labels {', '.join(names)}",
                "Correct the row, or declare this label too",
            )
        position_K = np.array([names.index(name) for name in found.tolist()], dtype=np.int64)
        return names, position_K[index_N]

    def task(self, window_shape: tuple[int, ...], labels: tuple[str, ...]) -> Task:
        """The task of windows of this shape.

        Raises:
            InvalidConfiguration: not one channel name, unit, center or scale per channel, or a
                rate that is not above 0 or where there is no time axis.
        """
        if self.rate_hz is not None and not (self.rate_hz > 0 and len(window_shape) == 2):
            raise InvalidConfiguration(
                f"world.rate_hz={self.rate_hz} with windows of shape {window_shape}",
                "must be above 0, and null unless windows are (time, channels)",
                "Correct world.rate_hz, or set it to null",
            )
        count = window_shape[1 if len(window_shape) == 2 else 0]
        channels = _texts(self.channels) or tuple(f"c{index}" for index in range(count))
        units = _texts(self.units) or (_DIMENSIONLESS,) * count
        center, scale = _each(self.center, 0.0, count), _each(self.scale, 1.0, count)
        declared = {"channels": channels, "units": units, "center": center, "scale": scale}
        for name, values in declared.items():
            if len(values) != count:
                raise InvalidConfiguration(
                    f"world.{name} with {len(values)} entries",
                    f"must have one for each of the {count} channels of x",
                    f"Correct world.{name}, or set it to null",
                )
        if self.windows_per_reading < 1:
            raise InvalidConfiguration(
                f"world.windows_per_reading={self.windows_per_reading}",
                "must be at least 1: the most windows that one reading is part of",
                "Set it to 1 where windows do not overlap, to 2 where they overlap by half",
            )
        return Task(
            name="arrays",
            channels=channels,
            units=units,
            rate_hz=self.rate_hz,
            window_shape=window_shape,
            labels=labels,
            center=center,
            scale=scale,
            windows_per_reading=self.windows_per_reading,
        )


def _numbered(source: str, largest: int) -> tuple[str, ...]:
    """The names 0, 1, ... ``largest``."""
    if largest >= _MOST_NUMBERED:
        raise InvalidData(
            f"{source}: y {largest}",
            f"must be below {_MOST_NUMBERED} where the labels are not declared",
            "Number the labels 0, 1, ..., write them as text, or declare world.labels",
        )
    return tuple(map(str, range(largest + 1)))


def _texts(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(map(str, values or ()))


def _each(value: float | Sequence[float] | None, default: float, count: int) -> tuple[float, ...]:
    if value is None or isinstance(value, int | float):
        return (default if value is None else float(value),) * count
    return tuple(map(float, value))
