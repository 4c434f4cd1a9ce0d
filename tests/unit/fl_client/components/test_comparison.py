"""A candidate is tried in a child process before the process that trains loads it."""

from pathlib import Path

import numpy as np
import pytest

from fl_client.components import comparison
from fl_client.components.comparison import PAIR, Pair, compare_on, write_pair
from fl_client.components.counts import FOLDER
from fl_client.inference.task_checks import ready
from fl_common.errors import InvalidData
from fl_common.vocabulary import Task
from tests.support.model_files import published
from tests.support.samples import TASK


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box that has a candidate beside production, which agree on every window."""
    for name in ("candidate", "production"):
        (tmp_path / name).mkdir()
        published(tmp_path / name / "model.onnx", answer=1)
    (tmp_path / FOLDER).mkdir()
    write_pair(tmp_path / FOLDER / PAIR, Pair("candidate", "production"))
    monkeypatch.setattr(comparison, "held_in", lambda folder, digest: tmp_path / digest)
    return tmp_path


def test_both_models_are_tried_before_they_are_loaded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[bytes]()

    def loaded(content: bytes, *given: object, **named: object) -> object:
        assert content in tried
        return ready(content, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(comparison, "ready", loaded)

    def trial(content: bytes, task: Task | None, batch: int) -> None:
        tried.append(content)

    compare = compare_on(home, TASK, "candidate", trial)
    assert compare is not None
    assert len(tried) == 2
    (seen,) = compare(np.zeros((1, *TASK.window_shape), np.float32))
    assert (seen.agreed, seen.failed) == (True, False)


def test_a_candidate_that_fails_its_trial_is_never_loaded_and_has_no_answer(home: Path) -> None:
    hostile = published(home / "candidate" / "model.onnx", answer=0).read_bytes()

    def trial(content: bytes, task: Task | None, batch: int) -> None:
        if content == hostile:
            raise InvalidData("the model", "did not end", "Publish another")

    compare = compare_on(home, TASK, "candidate", trial)
    assert compare is not None
    (seen,) = compare(np.zeros((1, *TASK.window_shape), np.float32))
    assert (seen.agreed, seen.failed) == (False, True)
