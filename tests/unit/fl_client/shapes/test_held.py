"""What a box has of its shape, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from fl_client.components.shapes import build_shapes
from fl_client.configuration import read_config
from fl_client.functions.host import FunctionSource
from fl_client.inference.task_checks import ShapeMissing
from fl_client.shapes.held import ShapeRecord, Shapes, offered_task, task_of
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import KindSpec, Task
from models.tasks import wearables
from models.tasks.shaped import check_can_have_shape, with_shape
from tests.support.model_files import published
from tests.support.samples import TASK

SANDBOX = "components.sandbox={forms: [python], needs: [], fuel: 9, memory_mb: 64, functions: 1}"


def held(home: Path, *digests: str) -> Shapes:
    """Shapes of which these came, one after the other."""
    shapes = Shapes("toy", TASK, home)
    for digest in digests:
        record = ShapeRecord(f"of {digest}", digest * 64, 2)
        shapes.hold(record, FunctionSource({}), is_offered=True)
    return shapes


def model(folder: Path, task: Task) -> bytes:
    return published(folder / "model.onnx", task=task).read_bytes()


def test_the_two_newest_are_held_and_the_offered_one_is_written_down(tmp_path: Path) -> None:
    assert offered_task("toy", TASK, tmp_path) is None
    shapes = held(tmp_path, "a", "b", "c")
    assert shapes.of("a" * 64) is None
    assert [one.digest[0] for one in shapes.recorded()] == ["c", "b"]
    assert offered_task("toy", TASK, tmp_path) == with_shape(TASK, "toy", "c" * 64, 2)
    back = ShapeRecord("of b", "b" * 64, 2)
    shapes.hold(back, FunctionSource({}), is_offered=True)
    assert [one.digest[0] for one in shapes.recorded()] == ["b", "c"]


def test_a_model_has_the_task_of_the_shape_that_it_requires(tmp_path: Path) -> None:
    shapes = held(tmp_path, "a", "b")
    for digest in "ab":
        wanted = with_shape(TASK, "toy", digest * 64, 2)
        assert task_of(model(tmp_path, wanted), TASK, shapes) == wanted


@pytest.mark.parametrize(
    ("required", "digests", "words"),
    [
        ("c", "ab", "requires the shape toy cccccccccccc: does not fit this box, whose windows go"
         " through toy bbbbbbbbbbbb. Promote that version"),
        (None, "a", "requires no shape: does not fit this box, whose windows go through toy"),
        ("a", "", "go through toy, not here yet"),
        ("a", None, r"go through none. Set windows.shape=toy"),
    ],
)  # fmt: skip
def test_another_model_waits_in_one_line(
    required: str | None, digests: str | None, words: str, tmp_path: Path
) -> None:
    shapes = None if digests is None else held(tmp_path, *digests)
    task = TASK if required is None else with_shape(TASK, "toy", required * 64, 2)
    with pytest.raises(ShapeMissing, match=words):
        task_of(model(tmp_path, task), TASK, shapes)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), r"windows\.shape=toy: needs a repository"),
        (("components.source=.",), "needs a grant for sandboxes"),
    ],
)
def test_a_box_that_can_have_no_shape_says_so(
    overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    config = read_config(None, [f"home={tmp_path}", "windows.shape=toy", *overrides])
    with pytest.raises(InvalidConfiguration, match=words):
        build_shapes(config, wearables(), Troubles())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": KindSpec.of("forecast", horizon=2)}, "of the kind forecast"),
        ({"kind": KindSpec("sequence")}, "of the kind sequence"),
        ({"window_shape": (50_000, 6)}, "takes at most 100,000"),
        ({"rate_hz": None}, "with a rate"),
    ],
)
def test_a_task_that_can_have_no_shape_is_refused(changes: dict[str, Any], words: str) -> None:
    fields = {**vars(wearables()), **changes}
    with pytest.raises(InvalidConfiguration, match=words):
        check_can_have_shape(Task(**fields))
