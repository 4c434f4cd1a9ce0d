"""The tasks on public data: labels, channels and windows.

``center`` and ``scale`` are round numbers of the order of the sensor's readings, or constants that
others have published, never statistics of the windows that a site holds. They need not be exact:
they only scale readings to about one.
"""

import re
from collections.abc import Mapping, Sequence

from fl_common.configuration.rules import FINITE, above, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec, Task
from models.kinds import CLASSIFICATION, MULTILABEL, kind_of, names_labels
from models.kinds import declared as declared_kind
from models.kinds.multilabel import multilabel

_NAME = re.compile(r"[^\W_][\w .-]{0,63}")


def wearables() -> Task:
    """Seven shoulder exercises from a smartwatch (Burns et al. 2018, arXiv 1802.01489).

    Windows (128, 6): accelerometer in g and gyroscope in rad/s at 50 Hz. Gravity is 1 g, and an
    exercising arm turns at about 2 rad/s.
    """
    return Task(
        name="wearables",
        channels=("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"),
        units=("g",) * 3 + ("rad/s",) * 3,
        rate_hz=50.0,
        window_shape=(128, 6),
        labels=("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"),
        center=(0.0,) * 6,
        scale=(1.0,) * 3 + (2.0,) * 3,
        windows_per_reading=2,
    )


def activity() -> Task:
    """Six activities from a smartphone at the waist (Anguita et al. 2013, ESANN).

    Windows (128, 9) at 50 Hz: body acceleration without gravity and total acceleration in g, and
    angular velocity in rad/s. Standing upright, gravity lies along the first axis.
    """
    return Task(
        name="activity",
        channels=tuple(
            f"{signal}_{axis}"
            for signal in ("body_acc", "body_gyro", "total_acc")
            for axis in ("x", "y", "z")
        ),
        units=("g",) * 3 + ("rad/s",) * 3 + ("g",) * 3,
        rate_hz=50.0,
        window_shape=(128, 9),
        labels=(
            "WALKING",
            "WALKING_UPSTAIRS",
            "WALKING_DOWNSTAIRS",
            "SITTING",
            "STANDING",
            "LAYING",
        ),
        center=(0.0,) * 9,
        scale=(0.2,) * 3 + (0.5,) * 3 + (0.5,) * 3,
        windows_per_reading=2,
    )


def digits() -> Task:
    """Handwritten digits, MNIST (LeCun et al. 1998): images (1, 28, 28) of grey levels 0 to 255.

    The constants 0.1307 and 0.3081 (times 255) are those of the PyTorch MNIST example.
    """
    return Task(
        name="digits",
        channels=("grey",),
        units=("level",),
        rate_hz=None,
        window_shape=(1, 28, 28),
        labels=tuple("0123456789"),
        center=(0.1307 * 255,),
        scale=(0.3081 * 255,),
        windows_per_reading=1,
    )


def declared(
    name: str,
    channels: Sequence[str],
    units: Sequence[str],
    rate_hz: float | None,
    window_shape: Sequence[int],
    labels: Sequence[str],
    center: Sequence[float],
    scale: Sequence[float],
    windows_per_reading: int,
    kind: str = CLASSIFICATION,
    range: Sequence[float] | None = None,
    unit: str | None = None,
    quantile: float | None = None,
    horizon: int | None = None,
) -> Task:
    """A custom task, as declared in a box's configuration: the fields of ``Task``.

    ``kind`` and the values after it are what ``models.kinds.declared`` takes.

    Raises:
        InvalidConfiguration: a name that is none; a label or a channel with that of another; not
            one unit, center and scale for each channel of the window; or a number out of range.
    """
    check_name("task.name", name)
    spec, labels = _kind(labels, declared_kind(kind, range, unit, quantile, horizon))
    check_names("task.channels", channels)
    _check_shape(window_shape, rate_hz)
    each = {"channels": channels, "units": units, "center": center, "scale": scale}
    _check_each(each, window_shape)
    _check_constants(center, scale)
    require("task.windows_per_reading", windows_per_reading, whole(1))
    task = Task(
        name=name,
        channels=tuple(channels),
        units=tuple(units),
        rate_hz=rate_hz,
        window_shape=tuple(window_shape),
        labels=tuple(labels),
        center=tuple(center),
        scale=tuple(scale),
        windows_per_reading=windows_per_reading,
        kind=spec,
    )
    kind_of(task)
    return task


def watched(
    name: str,
    channels: Sequence[str],
    units: Sequence[str],
    rate_hz: float | None,
    window_shape: Sequence[int],
) -> Task:
    """Windows that no model of the box's own predicts: functions take them, and networks.

    Raises:
        InvalidConfiguration: as ``declared``.
    """
    count = len(channels)
    zeros, ones = [0.0] * count, [1.0] * count
    return declared(name, channels, units, rate_hz, window_shape, (), zeros, ones, 1)


def _check_constants(center: Sequence[float], scale: Sequence[float]) -> None:
    for value in center:
        require("task.center", value, FINITE)
    for value in scale:
        require("task.scale", value, above(0))


def _kind(labels: Sequence[str], spec: KindSpec) -> tuple[KindSpec, Sequence[str]]:
    """The kind, and the task's labels; several labels of a window are the kind's own."""
    if spec.name == MULTILABEL:
        return multilabel(labels), ()
    if labels and not names_labels(spec):
        what = f"task.labels with task.kind={spec.name}"
        raise InvalidConfiguration(what, "must be empty: it learns none", "Set it to []")
    check_names("task.labels", labels)
    return spec, labels


def _check_each(each: Mapping[str, Sequence[object]], window_shape: Sequence[int]) -> None:
    """Raise unless there is one of ``each`` for every channel."""
    for what, values in each.items():
        if len(values) != window_shape[1 if len(window_shape) == 2 else 0]:
            raise InvalidConfiguration(
                f"task.{what} with {len(values)} entries",
                f"must have one for each channel of window_shape {list(window_shape)}",
                "Windows are [readings, channels], [channels], or [channels, height, width]",
            )


def _check_shape(window_shape: Sequence[int], rate_hz: float | None) -> None:
    if not 1 <= len(window_shape) <= 3:
        raise InvalidConfiguration(
            f"task.window_shape={list(window_shape)}",
            "must be [readings, channels], [channels], or [channels, height, width]",
            "Correct it",
        )
    for size in window_shape:
        require("task.window_shape", size, whole(1))
    if rate_hz is not None:
        require("task.rate_hz", rate_hz, above(0))
        if len(window_shape) != 2:
            raise InvalidConfiguration(
                f"task.rate_hz={rate_hz} with window_shape {list(window_shape)}",
                "must be null unless windows are [readings, channels]",
                "Set it to null",
            )


def check_name(what: str, name: object) -> None:
    """Check the ``name`` of a task, which is declared as the value ``what``.

    It names the published model, too, and topics and files of it.

    Raises:
        InvalidConfiguration: it could be read as a path, is too long, or is no word.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        raise InvalidConfiguration(
            f"{what}={name!r}",
            "must be at most 64 letters, digits, spaces, dots, underscores or hyphens, and begin"
            " with a letter or a digit",
            "Give such as bearings or pump-7",
        )


def check_names(what: str, names: Sequence[object]) -> None:
    """Check the ``names`` of labels or channels, which are declared as the value ``what``.

    Raises:
        InvalidConfiguration: one is empty, or is there twice: what is meant by it can't be told.
    """
    texts = [str(name) for name in names]
    wrong = [text for text in texts if not text.strip() or texts.count(text) > 1]
    if wrong:
        raise InvalidConfiguration(
            f"{what}: {wrong[0]!r}", "must be the name of one alone", "Correct the names"
        )
