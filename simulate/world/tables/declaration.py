"""What the user of ``task=arrays`` declares of the data, and the task that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import FINITE, Rule, above, require, whole
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Integers, Task
from models.tasks import check_name, check_names
from simulate.world.checks import check_labels

_MOST_LABELS = 10_000
_MOST_GAPS = 100
"""Labels without a window for each that has some, where they are numbered and not declared."""
_NUMBER = "Number the labels 0, 1, ..., or write these codes as text, in Python with y.astype(str)"
_NAME = "arrays"
_OF_A_TASK = ("labels", "channels", "units", "rate_hz", "center", "scale")
_DIMENSIONLESS = "1"
"""The unit of a pure number (UCUM)."""


@dataclass(frozen=True)
class Declaration:
    """Every field but the name may be None; the configuration says what that stands for.

    ``by_range``: center and scale follow from ``world.range``.
    """

    name: str
    labels: Sequence[str] | None
    channels: Sequence[str] | None
    units: Sequence[str] | None
    rate_hz: float | None
    center: float | Sequence[float] | None
    scale: float | Sequence[float] | None
    by_range: bool
    windows_per_reading: int
    window_shape: tuple[int, ...] | None = None

    def replaced_by(self, task: Task) -> "Declaration":
        """What ``task`` declares, where nothing is declared beside it.

        Raises:
            InvalidConfiguration: something is.
        """
        values = vars(self)
        twice = [name for name in _OF_A_TASK if values[name] is not None]
        shared = self.windows_per_reading
        twice += ["windows_per_reading"] if shared not in (1, task.windows_per_reading) else []
        twice += ["name"] if self.name not in (_NAME, task.name) else []
        if twice:
            raise InvalidConfiguration(
                f"{self._key_of(twice[0])} beside data.task",
                "is declared twice",
                "Give it in that file alone",
            )
        of_task = {name: getattr(task, name) for name in values if name != "by_range"}
        return Declaration(**of_task, by_range=False)

    def completed(
        self, labels: Sequence[str] | None, channels: Sequence[str] | None
    ) -> "Declaration":
        """With the labels and channels that the file names, where none are declared."""
        return replace(self, labels=self.labels or labels, channels=self.channels or channels)

    def labels_of(self, source: str, y_N: NDArray[Any]) -> tuple[tuple[str, ...], Integers]:
        """The names of the labels, and the index of each row's label.

        Raises:
            InvalidData: a number or name in ``y_N`` that is not declared, a negative number, or
                more than 10,000 labels.
            InvalidConfiguration: a label that is declared twice.
        """
        check_names("world.labels", _texts(self.labels))
        if y_N.dtype.kind != "U":
            names = _texts(self.labels) or _numbered(source, y_N)
            _check_few(source, names)
            check_labels(source, y_N, 0, len(names))
            return names, y_N.astype(np.int64)
        found, index_N = np.unique(y_N, return_inverse=True)
        names = _texts(self.labels) or tuple(found.tolist())
        _check_few(source, names)
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
            InvalidConfiguration: a task's name that is none, not one channel name, unit, center or
                scale per channel, or a rate that is not above 0 or where there is no time axis.
        """
        check_name("name", str(self.name))
        self._check_form(window_shape)
        count = window_shape[1 if len(window_shape) == 2 else 0]
        channels = _texts(self.channels) or tuple(f"c{index}" for index in range(count))
        units = _texts(self.units) or (_DIMENSIONLESS,) * count
        center = _each("world.center", self.center, FINITE, 0.0, count)
        scale = _each("world.scale", self.scale, above(0), 1.0, count)
        declared = {"channels": channels, "units": units, "center": center, "scale": scale}
        for name, values in declared.items():
            if len(values) != count:
                key = self._key_of(name)
                raise InvalidConfiguration(
                    f"{key} with {len(values)} entries",
                    f"must have one for each of the {count} channels of x",
                    f"Correct {key}, or set it to null",
                )
        check_names("data.channels", channels)
        require(
            "world.windows_per_reading",
            self.windows_per_reading,
            whole(1),
            "Set it to 1 where windows do not overlap, to 2 where they overlap by half",
        )
        return Task(
            name=str(self.name),
            channels=channels,
            units=units,
            rate_hz=self.rate_hz,
            window_shape=window_shape,
            labels=labels,
            center=center,
            scale=scale,
            windows_per_reading=self.windows_per_reading,
        )

    def _key_of(self, name: str) -> str:
        """The key that a person gave what the task has as ``name`` by."""
        if self.by_range and name in ("center", "scale"):
            return "world.range"
        return {"channels": "data.channels", "name": "name"}.get(name, f"world.{name}")

    def _check_form(self, window_shape: tuple[int, ...]) -> None:
        if self.window_shape not in (None, window_shape):
            raise InvalidConfiguration(
                f"task {self.name} with windows of shape {self.window_shape}",
                f"must fit the file, whose windows have {window_shape}",
                "Correct window_shape in data.task, or cut the windows anew: fl-simulate windows",
            )
        if self.rate_hz is not None and not (self.rate_hz > 0 and len(window_shape) == 2):
            raise InvalidConfiguration(
                f"world.rate_hz={self.rate_hz} with windows of shape {window_shape}",
                "must be above 0, and null unless windows are (time, channels)",
                "Correct world.rate_hz, or set it to null",
            )


def _numbered(source: str, y_N: NDArray[Any]) -> tuple[str, ...]:
    """The names 0, 1, ... up to the largest label."""
    if (lowest := int(y_N.min(initial=0))) < 0:
        raise InvalidData(
            f"{source}: y {lowest}", "must be at least 0, where labels are numbers", _NUMBER
        )
    largest, found = int(y_N.max(initial=0)), len(np.unique(y_N))
    if largest >= _MOST_LABELS or largest > _MOST_GAPS * found:
        raise InvalidData(
            f"{source}: y {largest}, of {found} different numbers",
            "would be one of as many labels, where they are not declared: 0, 1, ... up to it",
            _NUMBER,
        )
    return tuple(map(str, range(largest + 1)))


def _check_few(source: str, names: Sequence[str]) -> None:
    """Raise InvalidData for more labels than a net and a table of its mistakes have room for."""
    if len(names) > _MOST_LABELS:
        raise InvalidData(
            f"{source}: {len(names)} labels",
            f"must be at most {_MOST_LABELS}",
            "Group them; if y is a measured quantity, divide it into ranges",
        )


def _texts(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(map(str, values or ()))


def _each(
    name: str, value: float | Sequence[float] | None, rule: Rule, default: float, count: int
) -> tuple[float, ...]:
    """``value`` for each of the ``count`` channels, which meet ``rule``."""
    if value is None:
        return (default,) * count
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    each: list[Any] = list(value) if is_list else [value] * count  # type: ignore[arg-type]
    for one in each:
        require(name, one, rule)
    return tuple(map(float, each))
