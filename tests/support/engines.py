"""Engines on slots of small models, for tests."""

from pathlib import Path

import numpy as np

from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_common.vocabulary import Floats, Task
from tests.support.samples import TASK

CALL_SECONDS = 60.0


def engine_on(slot: ModelSlot, largest_batch: int = 4) -> Engine:
    return Engine(slot, TASK, 1, largest_batch, no_trial, CALL_SECONDS)


def any_engine(slot: ModelSlot) -> Engine:
    """An engine without a task."""
    return Engine(slot, None, 1, 1, no_trial, CALL_SECONDS)


def no_trial(content: bytes, task: Task | None, largest_batch: int) -> None:
    """Takes the place of the child process, whose tests are those of hostile models."""


def windows(count: int, value: float = 1.0) -> Floats:
    return np.full((count, *TASK.window_shape), value, np.float32)


def answer_of(engine: Engine, values_N: Floats | None = None) -> list[int]:
    prediction = engine.predict(windows(1) if values_N is None else values_N)
    return [int(row.argmax()) for row in prediction.answers_ND]


def bring(slot: ModelSlot, path: Path) -> str:
    digest = slot.place(path)
    slot.activate(digest)
    return digest
