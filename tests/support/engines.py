"""Engines on slots of small models, for tests."""

from pathlib import Path

import numpy as np

from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_common.vocabulary import Floats
from tests.support.samples import TASK


def engine_on(slot: ModelSlot, largest_batch: int = 4) -> Engine:
    return Engine(slot, TASK, threads=1, largest_batch=largest_batch)


def windows(count: int, value: float = 1.0) -> Floats:
    return np.full((count, *TASK.window_shape), value, np.float32)


def answer_of(engine: Engine, values_N: Floats | None = None) -> list[int]:
    prediction = engine.predict(windows(1) if values_N is None else values_N)
    return [int(row.argmax()) for row in prediction.probabilities_NK]


def bring(slot: ModelSlot, path: Path) -> str:
    digest = slot.place(path)
    slot.activate(digest)
    return digest
