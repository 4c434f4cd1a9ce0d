"""A model as functions ask it: windows in, the answers of its task out, and nothing else of it."""

from collections.abc import Callable

import numpy as np

from fl_client.inference.engine import Engine
from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.task_checks import INPUT, one_call
from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, Numbers
from fl_common.vocabulary import Task
from models.kinds import kind_of


def asked_engine(engine: Engine, task: Task, most: int) -> Callable[[Numbers, float], Numbers]:
    """What ``engine`` serves at the time of each question, of at most ``most`` windows.

    It never takes another model's place for what a function asks: that is for windows of sensors.
    """
    kind = kind_of(task)

    def answer(windows: Numbers, seconds: float) -> Numbers:
        _check_count(windows, most)
        found = engine.infer({INPUT: windows}, [kind.answer], seconds).outputs[kind.answer]
        return np.asarray(found, np.float32)

    return answer


def asked_model(content: bytes, task: Task, most: int) -> Model:
    """The model of a file for ``task``.

    Raises:
        InvalidData: see ``OnnxModel``.
    """
    model, kind = OnnxModel(content, 1), kind_of(task)

    def answer(windows: Numbers) -> Numbers:
        _check_count(windows, most)
        return np.asarray(one_call(model, kind, windows), np.float32)

    return answer


def _check_count(windows: Numbers, most: int) -> None:
    if len(windows) > most:
        rule = f"can't be asked at a time; {most} can (engine.largest_batch)"
        raise InvalidData(f"{len(windows):,} windows", rule, "Ask in pieces")
