"""Every way in which a new model fails: the last good one goes on, and the log says why."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration
from tests.support.engines import answer_of, bring, engine_on, windows
from tests.support.model_files import LIMIT, as_json, doubler, other_task, published, slot_with
from tests.support.samples import TASK


@pytest.fixture
def slot(tmp_path: Path) -> ModelSlot:
    """Its current version answers 0."""
    return slot_with(tmp_path / "slot", published(tmp_path / "zero.onnx", 0))


@pytest.fixture
def engine(slot: ModelSlot) -> Engine:
    """Serving the model that answers 0."""
    engine = engine_on(slot)
    assert engine.swap()
    return engine


def cut(path: Path) -> Path:
    path.write_bytes(published(path).read_bytes()[:200])
    return path


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut": (cut, "can't be loaded.*Export the model again"),
    "empty": (lambda p: (p.write_bytes(b""), p)[1], "Export the model again|no metadata"),
    "another task": (
        lambda p: published(p, task=other_task()),
        "task 'another': differs from this site's 'toy'. Publish a model for the task 'toy'",
    ),
    "other labels": (
        lambda p: published(p, properties={"labels": as_json(["a", "b", "c"])}),
        r"labels \('a', 'b', 'c'\): differs from this site's \('still'",
    ),
    "other units": (
        lambda p: published(p, properties={"units": as_json(["m/s2", "m/s2"])}),
        r"units .*m/s2.*: differs from this site's \('g', 'g'\)",
    ),
    "other kind": (
        lambda p: published(p, properties={"kind": '{"name": "regression", "options": {}}'}),
        r"kind \{'name': 'regression', .*: differs from this site's \{'name': 'classification'",
    ),
    "other rate": (lambda p: published(p, properties={"rate_hz": "25.0"}), "rate_hz 25.0: differs"),
    "other window": (
        lambda p: published(p, task=replace(TASK, window_shape=(9, 2))),
        r"window_shape \(9, 2\): differs from this site's \(8, 2\)",
    ),
    "other input name": (
        lambda p: published(p, names=("readings", "probabilities")),
        r"input names \('readings',\): differs from this site's \('values',\)",
    ),
    "other output name": (
        lambda p: published(p, names=("values", "scores")),
        r"output names \('scores',\): differs",
    ),
    "no metadata": (
        lambda p: doubler(p, TensorProto.FLOAT),
        ": has no metadata of a published model.*Give a model.onnx that a run has written",
    ),
    "a property missing": (
        lambda p: published(p, properties={"channels": None}),
        ": has no metadata of a published model .KeyError: 'channels'",
    ),
    "not finite": (
        lambda p: published(p, not_finite="always"),
        ": answers typical readings with values that are not finite. Publish a model whose",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_model_that_fails_to_load_leaves_the_old_one_and_says_what_to_do(
    case: str, engine: Engine, slot: ModelSlot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, words = WRONG[case]
    old, new = slot.current(), bring(slot, make(tmp_path / "new.onnx"))
    assert not engine.swap()
    assert answer_of(engine) == [0]
    status = engine.status()
    assert (status.digest, status.wanted, status.failed_loads) == (old, new, 1)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"model {new[:12]} is not used, another model serves: " in record.getMessage()
    assert re.search(words, record.getMessage())
    assert re.search(words, str(status.trouble))
    assert not engine.swap()  # not tried again
    assert engine.status().failed_loads == 1
    assert slot.last_good() == old


def test_a_file_that_was_cut_in_the_slot_is_not_used(
    engine: Engine, slot: ModelSlot, tmp_path: Path
) -> None:
    digest = bring(slot, published(tmp_path / "one.onnx", 1))
    file = slot.folder / "versions" / digest / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    assert not engine.swap()
    assert answer_of(engine) == [0]
    assert "is cut or changed" in str(engine.status().trouble)


def test_a_restart_with_a_bad_version_goes_on_with_the_last_good_one(
    engine: Engine, slot: ModelSlot, tmp_path: Path
) -> None:
    bring(slot, cut(tmp_path / "new.onnx"))
    again = engine_on(slot)
    assert again.swap()
    assert answer_of(again) == [0]
    assert not again.swap()
    third = engine_on(slot)
    assert third.swap()
    assert third.status().failed_loads == 0


def test_killed_between_placing_and_activating_the_old_version_runs(
    engine: Engine, slot: ModelSlot, tmp_path: Path
) -> None:
    slot.place(published(tmp_path / "one.onnx", 1))
    again = engine_on(slot)
    assert again.swap()
    assert answer_of(again) == [0]


def test_nan_in_service_falls_back_and_marks_the_version_bad(
    engine: Engine, slot: ModelSlot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = slot.current()
    new = bring(slot, published(tmp_path / "new.onnx", 1, not_finite="above the limit"))
    assert engine.swap()
    assert answer_of(engine) == [1]
    values_N = np.concatenate([windows(6), windows(1, LIMIT + 1)])
    assert answer_of(engine, values_N) == [0] * 7
    status = engine.status()
    assert (status.digest, status.wanted, status.fallbacks) == (old, new, 1)
    assert f"model {new[:12]} is not used" in caplog.text
    assert not engine.swap()
    assert slot.last_good() == old
    again = engine_on(slot)
    again.swap()
    assert answer_of(again) == [0]


def test_after_a_restart_the_fall_back_is_read_from_the_slot(
    engine: Engine, slot: ModelSlot, tmp_path: Path
) -> None:
    bring(slot, published(tmp_path / "new.onnx", 1, not_finite="above the limit"))
    engine.swap()
    again = engine_on(slot)
    again.swap()
    assert answer_of(again) == [1]
    assert answer_of(again, windows(1, LIMIT + 1)) == [0]


def test_a_window_that_no_model_can_answer_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = published(tmp_path / "only.onnx", 2, not_finite="above the limit")
    engine = engine_on(slot_with(tmp_path / "slot", path))
    engine.swap()
    values_N = np.concatenate([windows(1), windows(1, LIMIT + 1), windows(1)])
    for _ in range(2):
        prediction = engine.predict(values_N)
        assert prediction.answered_N.tolist() == [True, False, True]
    assert caplog.text.count("Check the sensors' units and ranges") == 1
    assert engine.status().fallbacks == 0
    assert engine.status().trouble is None


def test_a_window_that_is_not_finite_is_not_held_against_the_model(engine: Engine) -> None:
    values_N = np.concatenate([windows(1), windows(1, np.nan), windows(1, np.inf)])
    assert engine.predict(values_N).answered_N.tolist() == [True, False, False]
    assert engine.status().fallbacks == 0


def test_a_version_that_failed_is_tried_again_when_it_is_activated_again(
    engine: Engine, slot: ModelSlot, tmp_path: Path
) -> None:
    digest = bring(slot, published(tmp_path / "one.onnx", 1))
    slot.mark_bad(digest, "a disk that was full")
    assert not engine.swap()
    slot.activate(digest)
    assert engine.swap()
    assert answer_of(engine) == [1]


def test_a_slot_that_can_not_be_written_does_not_stop_answers(
    engine: Engine, slot: ModelSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(slot, published(tmp_path / "new.onnx", 1, not_finite="above the limit"))

    def full(*_: object) -> None:
        raise InvalidConfiguration("slot", "can't be written (No space left)", "Free space")

    monkeypatch.setattr(ModelSlot, "confirm", full)
    monkeypatch.setattr(ModelSlot, "mark_bad", full)
    assert engine.swap()
    assert answer_of(engine, windows(1, LIMIT + 1)) == [0]
