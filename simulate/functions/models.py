"""Models that answer what functions ask on this machine: a file of a run, or a box's own."""

from pathlib import Path

from fl_client.inference.asked import asked_model
from fl_common.errors import InvalidData
from fl_common.functions.asked import Model
from fl_common.vocabulary import Task
from models.metadata import read_metadata

MOST_WINDOWS = 64
"""Of one question, as ``engine.largest_batch`` of a box has it."""


def asked_file(path: Path) -> Model:
    """The model in a file.

    Raises:
        InvalidData: it can't be read, or is no model of a run.
    """
    content = read_model(path)
    return asked_model(content, task_in(content), MOST_WINDOWS)


def task_in(content: bytes) -> Task:
    """The task of a model, as it tells it: without what its values are scaled by.

    Raises:
        InvalidData: it is no model of a run.
    """
    about = read_metadata(content)
    channels = len(about.channels)
    return Task(
        name=about.task, channels=about.channels, units=about.units, rate_hz=about.rate_hz,
        window_shape=about.window_shape, labels=about.labels, center=(0.0,) * channels,
        scale=(1.0,) * channels, windows_per_reading=1, kind=about.kind,
    )  # fmt: skip


def read_model(file: Path) -> bytes:
    """The content of a model's file.

    Raises:
        InvalidData: it can't be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"model {file}", f"can't be read ({error.strerror})", "Give a model.onnx"
        ) from error
