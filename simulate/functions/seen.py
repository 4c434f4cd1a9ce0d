"""Windows with a model's answers, as a function is shown them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fl_client.inference.asked import asked_model
from fl_client.inference.events import predicted_of
from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.prediction import Prediction
from fl_client.inference.task_checks import answers, check_for_task
from fl_common.errors import InvalidConfiguration
from fl_common.functions.asked import Model, no_model
from fl_common.functions.events import Predicted, Window
from fl_common.vocabulary import Floats, Task
from models.kinds import kind_of
from simulate.functions.models import MOST_WINDOWS
from simulate.world import TestSet

_BATCH = 256
_SECOND_NS = 10**9


@dataclass(frozen=True)
class SeenWindow:
    """A window, and what a model answers to it."""

    window: Window
    predicted: Predicted


@dataclass(frozen=True)
class Seen:
    """Windows in order, and the model that answers what functions ask."""

    windows: Sequence[SeenWindow]
    model: Model


NOTHING = Seen((), no_model)


def of_test(test: TestSet, task: Task, content: bytes, most: int) -> Seen:
    """The last ``most`` windows (0: all) of ``test``, each group's as a stream.

    They begin in 1970, one after the other. ``content`` is that of a model for ``task``.

    Raises:
        InvalidConfiguration: the task has no readings over time.
        InvalidData: the model can't be used for it.
    """
    step_s, shown = step_of(task), slice(-most, None) if most else slice(None)
    values_N = np.asarray(test.windows.values)[shown]
    places: dict[str, int] = {}
    windows = []
    for values, group in zip(values_N, test.group_of[shown], strict=True):
        stream = test.groups[group]
        number = places[stream] = places.get(stream, -1) + 1
        windows.append(window_of(task, values, round(number * step_s * _SECOND_NS), stream))
    return answered(windows, values_N, task, content)


def step_of(task: Task) -> float:
    """Seconds from one window to the next.

    Raises:
        InvalidConfiguration: the task has no readings over time.
    """
    if task.rate_hz is None or len(task.window_shape) != 2:
        raise InvalidConfiguration(
            f"the task {task.name}",
            "has no readings over time",
            "Give wearables, activity, or your own data with a rate",
        )
    return task.window_shape[0] // task.windows_per_reading / task.rate_hz


def window_of(task: Task, values_TC: Floats, start_ns: int, stream: str) -> Window:
    """A window as functions are given it."""
    rate_hz = task.rate_hz or 1.0
    length_ns = round(task.window_shape[0] / rate_hz * _SECOND_NS)
    values = np.asarray(values_TC, np.float32).ravel().tolist()
    return Window(start_ns, start_ns + length_ns, task.channels, values, stream)


def answered(windows: Sequence[Window], values_N: Floats, task: Task, content: bytes) -> Seen:
    """Each with the model's answer; those without a finite one are left out."""
    model, digest = OnnxModel(content, 1), hashlib.sha256(content).hexdigest()
    check_for_task(model, task)
    answers_ND = answers(model, digest, task, np.asarray(values_N, np.float32), _BATCH)
    prediction = Prediction(digest, kind_of(task).columns, answers_ND, 0.0)
    rows = zip(windows, answers_ND.tolist(), prediction.answered_N, strict=True)
    seen = [
        SeenWindow(one, predicted_of(task, prediction, row_D, _span(one), one.stream))
        for one, row_D, answered in rows
        if answered
    ]
    return Seen(seen, asked_model(content, task, MOST_WINDOWS))


def _span(window: Window) -> tuple[int, int]:
    """Its first instant, and the first one after it."""
    return window.start_ns, window.end_ns
