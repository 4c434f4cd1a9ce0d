"""A task whose windows go through a shape before the model.

Only the length of a window may change: its channels, and what it stands for, are the task's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import TEXT, require
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions.events import Window
from fl_common.functions.shape import Misshapen, digest_of, given_window, made_values
from fl_common.functions.shape_trial import try_shape
from fl_common.programs.limited_child import ChildLimits
from fl_common.vocabulary import ShapeSpec, Task
from models.kinds import kind_of
from models.kinds.protocol import Truth

_TRIAL = ChildLimits(seconds=600, megabytes=4096)
"""Of the first one on a machine, which compiles the runner."""
_OF_ROWS = (Truth.READINGS, Truth.AHEAD)
_MOST_VALUES = 100_000
"""Of a window: it travels between processes as text."""


def check_can_have_shape(task: Task) -> None:
    """Raise InvalidConfiguration for a task whose windows no shape may change."""
    if task.rate_hz is None or len(task.window_shape) != 2:
        raise InvalidConfiguration(
            f"a shape before task {task.name} with windows {list(task.window_shape)}",
            "needs windows (time, channels) with a rate",
            "Leave the shape out, or choose a task of sensors' readings",
        )
    if kind_of(task).truth in _OF_ROWS:
        raise InvalidConfiguration(
            f"a shape before task {task.name} of the kind {task.kind.name}",
            "would change the readings that are to be told, or named one by one",
            "Leave the shape out, or declare another kind of task",
        )
    if (count := int(np.prod(task.window_shape))) > _MOST_VALUES:
        raise InvalidConfiguration(
            f"a shape before task {task.name} with {count:,} values in a window",
            f"takes at most {_MOST_VALUES:,}",
            "Declare shorter windows",
        )


def with_shape(task: Task, name: str, digest: str, rows: int) -> Task:
    """``task`` with the shape ``name`` before it, which makes ``rows`` of each of its windows."""
    cut = task.as_cut
    assert cut.rate_hz is not None
    readings, channels = cut.window_shape
    return replace(
        cut,
        window_shape=(rows, channels),
        rate_hz=cut.rate_hz * rows / readings,
        shape=ShapeSpec(name, digest, readings, cut.rate_hz),
    )


def typical_window(task: Task) -> Window:
    """A window of typical readings, as it is cut: of each channel its center."""
    cut = task.as_cut
    rows, rate_hz = cut.window_shape[0], cut.rate_hz or 1.0
    values_TC = np.broadcast_to(np.asarray(cut.center, np.float32), cut.window_shape)
    return given_window(cut, values_TC, 0, round(rows / rate_hz * 1e9), "")


def rows_made(task: Task, name: str, made: Mapping[str, Any]) -> int:
    """How many rows a shape makes of a window of ``task``, by what it made of a typical one.

    Raises:
        InvalidData: that is no window of it.
    """
    try:
        return len(made_values(task.as_cut, made["channels"], made["values"]))
    except (Misshapen, LookupError, TypeError) as error:
        raise InvalidData(
            f"the shape {name}",
            f"makes of a window of typical readings {error}",
            "Let it keep the channels, and make as many rows of each window",
        ) from None


def shaped_by(task: Task, folder: str) -> Task:
    """``task`` with the shape in ``folder`` before it, which is tried on a typical window.

    The shape has the folder's name, as a box's ``windows.shape`` has the component's.

    Raises:
        InvalidConfiguration: the task can't have one, or the runner is missing here.
        InvalidData: the folder has none, or it can't be made, or fails.
    """
    require("shape", folder, TEXT)
    check_can_have_shape(task)
    place = from_home(folder)
    name, digest = place.resolve().name, digest_of(place)
    made = try_shape(place, typical_window(task), _TRIAL)
    return with_shape(task, name, digest, rows_made(task, name, made))
