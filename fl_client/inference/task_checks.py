"""Checks that a model fits the site's task; a model that fails them never sees a reading."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.inference.onnx_model import OnnxModel, Tensor
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, KindSpec, ShapeSpec, Task
from models.kinds import TaskKind, kind_of
from models.lineage import parse_properties

_log = logging.getLogger(__name__)
INPUT = "values"
"""The name of a published model's input (``models.export``)."""


class ShapeMissing(InvalidData):
    """A model that requires another shape than windows go through; nothing speaks against it."""


_CHECKED = ("labels", "channels", "units", "rate_hz", "window_shape", "kind")


def ready(content: bytes, task: Task, threads: int, largest_batch: int) -> OnnxModel:
    """The model in a file's ``content``, checked against ``task`` and warmed up.

    Raises:
        InvalidData: it can't be loaded, is not for this task, or fails on typical readings.
    """
    model = OnnxModel(content, threads)
    check_for_task(model, task)
    warm_up(model, task, largest_batch)
    return model


def answers(
    model: OnnxModel,
    digest: str,
    task: Task,
    values_N: Floats,
    largest_batch: int,
    seconds: float | None = None,
) -> Floats:
    """Answers (N, D) of the task's kind, such as probabilities (N, K).

    They are NaN where a window is not finite or the model can't compute it.

    ``digest`` names the model in the log. A batch that takes more than ``seconds`` has none.
    """
    kind = kind_of(task)
    answers_ND = np.full((len(values_N), kind.outputs), np.nan, np.float32)
    (rows_M,) = np.nonzero(np.isfinite(values_N).all(axis=tuple(range(1, values_N.ndim))))
    for start in range(0, len(rows_M), largest_batch):
        some = rows_M[start : start + largest_batch]
        try:
            answers_ND[some] = one_call(model, kind, values_N[some], seconds)
        except InvalidData as error:
            _log.error("model %s: %s", digest[:12], error)
    return answers_ND


def answer_alone(
    content: bytes, task: Task, window_1: Floats, seconds: float
) -> NDArray[Any] | None:
    """The prediction (1, ...) for one window (1, *task.window_shape), in a session of its own.

    None where the answer is not one row of finite numbers.

    Raises:
        InvalidData: the model can't compute with it, or not within ``seconds``.
    """
    model, kind = OnnxModel(content, threads=1), kind_of(task)
    answer_1D = one_call(model, kind, window_1, seconds)
    if answer_1D.shape != (1, kind.outputs) or not np.isfinite(answer_1D).all():
        return None
    return kind.chosen(answer_1D)


def check_for_task(model: OnnxModel, task: Task) -> None:
    """Compare the model's metadata, inputs and outputs with ``task``.

    Raises:
        InvalidData: they differ; the message quotes both.
    """
    try:
        metadata = parse_properties(model.properties)
    except (KeyError, TypeError, ValueError) as error:
        rule = f"has no metadata of a published model ({type(error).__name__}: {error})"
        raise InvalidData("the model", rule, "Give a model.onnx that a run has written") from error
    if metadata.task != task.name:
        raise _of_another("task", metadata.task, task.name, task)
    if _digest(metadata.shape) != _digest(task.shape):
        raise shape_missing(metadata.shape, task.shape, task.shape.name if task.shape else None)
    for field in _CHECKED:
        theirs, ours = getattr(metadata, field), getattr(task, field)
        if theirs != ours:
            raise _of_another(field, theirs, ours, task)
    kind = kind_of(task)
    _check_tensor("input", INPUT, (None, *task.window_shape), model.inputs, task)
    _check_tensor("output", kind.answer, (None, kind.outputs), model.outputs, task)
    if len(model.inputs) != 1:
        names = tuple(tensor.name for tensor in model.inputs)
        raise _of_another("inputs", names, (INPUT,), task)


def shape_missing(
    required: ShapeSpec | None, ours: ShapeSpec | None, name: str | None
) -> ShapeMissing:
    """Why a model that requires a shape, or none, can't serve where windows go through another.

    ``name`` is that of the box's, None where it has none; ``ours`` is the version that is there.
    """
    if required is None:
        return ShapeMissing(
            "a model that requires no shape",
            f"does not fit this box, whose windows go through {name}",
            "Publish one that was trained with it (shape=FOLDER), or set windows.shape=null",
        )
    if name is None:
        return ShapeMissing(
            f"a model that requires the shape {required}",
            "does not fit this box, whose windows go through none",
            f"Set windows.shape={required.name}, and promote that version of it",
        )
    return ShapeMissing(
        f"a model that requires the shape {required}",
        f"does not fit this box, whose windows go through {ours or f'{name}, not here yet'}",
        f"Promote that version of {required.name}, or publish a model for the other one",
    )


def _digest(shape: ShapeSpec | None) -> str | None:
    return shape.digest if shape else None


def warm_up(model: OnnxModel, task: Task, largest_batch: int) -> None:
    """Run the model on typical readings, one window and a whole batch.

    The first call allocates memory and is the slowest, so it is made before any window waits.

    Raises:
        InvalidData: it can't run, or does not return finite answers.
    """
    kind, shape = kind_of(task), [1] * len(task.window_shape)
    shape[task.channel_axis] = len(task.center)
    window = np.asarray(task.center, np.float32).reshape(shape)
    for count in (1, largest_batch):
        values_N = np.ascontiguousarray(np.broadcast_to(window, (count, *task.window_shape)))
        answers_ND = one_call(model, kind, values_N)
        if answers_ND.shape != (count, kind.outputs):
            raise _useless(f"answers {count} windows with shape {answers_ND.shape}")
        if not np.isfinite(answers_ND).all():
            raise _useless("answers typical readings with values that are not finite")


def one_call(
    model: OnnxModel, kind: TaskKind, values_N: Floats, seconds: float | None = None
) -> Floats:
    """The model's answer to each window: (N, D).

    Raises:
        InvalidData: it can't compute with these windows, or not within ``seconds``.
    """
    found: Floats = model.run({INPUT: values_N}, [kind.answer], seconds)[kind.answer]
    return found


def _check_tensor(
    what: str, name: str, shape: tuple[int | None, ...], found: tuple[Tensor, ...], task: Task
) -> None:
    wanted = Tensor(name, "float32", shape)
    theirs = next((tensor for tensor in found if tensor.name == name), None)
    if theirs is None:
        names = tuple(tensor.name for tensor in found)
        raise _of_another(f"{what} names", names, (name,), task)
    if theirs != wanted:
        raise _of_another(f"{what} {name!r}", theirs, wanted, task)


def _of_another(what: str, theirs: object, ours: object, task: Task) -> InvalidData:
    shown = [one.to_fields() if isinstance(one, KindSpec) else one for one in (theirs, ours)]
    return InvalidData(
        f"the model's {what} {shown[0]!r}",
        f"differs from this site's {shown[1]!r}",
        f"Publish a model for the task {task.name!r} of this site, or correct the site's task",
    )


def _useless(rule: str) -> InvalidData:
    return InvalidData("the model", rule, "Publish a model whose parameters are finite")
