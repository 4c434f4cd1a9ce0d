"""A run goes on from parameters of windows of the same shape alone, and says which differ."""

from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from fl_server.rounds.earlier_shape import check_same_shape
from models.tasks import wearables
from models.tasks.shaped import with_shape
from tests.support.model_files import published

TASK = wearables()
ROWS = TASK.window_shape[0]


def shaped(version: str) -> Task:
    """The task with a shape that keeps the length, as a moving average does."""
    return with_shape(TASK, "smooth", version * 64, ROWS)


@pytest.mark.parametrize(
    ("before", "now"),
    [(TASK, shaped("a")), (shaped("a"), TASK), (shaped("a"), shaped("b"))],
)
def test_another_shape_is_refused_by_name(tmp_path: Path, before: Task, now: Task) -> None:
    """Parameters are of the same sizes, so nothing else would tell."""
    path = published(tmp_path / "model.onnx", 0, task=before)
    for place in (path, tmp_path):
        with pytest.raises(InvalidConfiguration) as found:
            check_same_shape({"init": str(place)}, now)
        for task in (before, now):
            assert (str(task.shape) if task.shape else "no shape") in str(found.value)


@pytest.mark.parametrize("task", [TASK, shaped("a")])
def test_the_same_shape_is_taken(tmp_path: Path, task: Task) -> None:
    published(tmp_path / "model.onnx", 0, task=task)
    for place in (tmp_path / "model.onnx", tmp_path, tmp_path / "other.safetensors"):
        check_same_shape({"init": str(place)}, task)
    check_same_shape({"init": None}, task)
