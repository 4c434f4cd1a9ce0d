"""The engine in service: predictions, batches, swaps under load, any ONNX model."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration, InvalidData, NoModel
from fl_common.vocabulary import Floats
from tests.support.engines import answer_of, any_engine, bring, engine_on, no_trial, windows
from tests.support.model_files import doubler, published, slot_with
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


def test_nothing_serves_before_a_model_is_there(tmp_path: Path) -> None:
    engine = engine_on(ModelSlot(tmp_path / "slot"))
    assert not engine.swap()
    for call in (engine.signature, lambda: engine.predict(windows(1)), lambda: engine.infer({})):
        with pytest.raises(NoModel, match="no version of the model in"):
            call()
    assert engine.status().digest is None


def test_a_prediction_names_its_model_and_labels(engine: Engine, slot: ModelSlot) -> None:
    prediction = engine.predict(windows(3))
    assert prediction.digest == slot.current()
    assert prediction.labels == TASK.labels
    assert prediction.answers_ND.shape == (3, 3)
    assert prediction.answered_N.all()
    np.testing.assert_allclose(prediction.answers_ND.sum(axis=1), 1.0, rtol=1e-5)
    assert prediction.seconds > 0


@pytest.mark.parametrize("count", [0, 1, 4, 5, 13])
def test_windows_are_answered_in_batches_of_any_number(slot: ModelSlot, count: int) -> None:
    engine = engine_on(slot, largest_batch=4)
    engine.swap()
    assert answer_of(engine, windows(count)) == [0] * count


def test_nothing_new_is_no_swap(engine: Engine) -> None:
    assert not engine.swap()
    assert engine.status().swaps == 1


def test_a_swap_under_load_loses_no_call(engine: Engine, slot: ModelSlot, tmp_path: Path) -> None:
    first = slot.current()
    done = threading.Event()

    def keep_asking() -> list[tuple[str, int]]:
        answers = []
        while not done.is_set():
            prediction = engine.predict(windows(3))
            assert prediction.answered_N.all()
            answers += [(prediction.digest, int(k)) for k in prediction.answers_ND.argmax(1)]
        return answers

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(keep_asking) for _ in range(3)]
        try:
            second = bring(slot, published(tmp_path / "one.onnx", 1))
            assert engine.swap()
            for _ in range(20):
                assert answer_of(engine) == [1]
        finally:
            done.set()
        answers = [answer for future in asked for answer in future.result()]
    assert set(answers) <= {(first, 0), (second, 1)}
    assert engine.status().fallbacks == 0


def test_windows_of_another_shape_are_refused(engine: Engine) -> None:
    with pytest.raises(InvalidData, match=r"shape \(1, 9, 2\).*windows \(8, 2\)"):
        engine.predict(np.zeros((1, 9, 2), np.float32))


@pytest.mark.parametrize(("name", "value"), [("threads", 0), ("largest_batch", 0)])
def test_settings_are_checked(name: str, value: int, slot: ModelSlot) -> None:
    threads, largest_batch = (value if name == each else 1 for each in ("threads", "largest_batch"))
    with pytest.raises(
        InvalidConfiguration, match=rf"engine\.{name}=0: must be a whole number from 1"
    ):
        Engine(slot, TASK, threads, largest_batch, no_trial, 1.0)


@pytest.mark.parametrize(
    ("dtype", "once"),
    [
        (TensorProto.FLOAT, np.array([[1, 2]], np.float32)),
        (TensorProto.DOUBLE, np.array([[1, 2]], np.float64)),
        (TensorProto.INT64, np.array([[1, 2]], np.int64)),
        (TensorProto.STRING, np.array([["a", "b"]], object)),
    ],
)
def test_any_onnx_model_is_run_by_name(dtype: int, once: NDArray[Any], tmp_path: Path) -> None:
    slot = slot_with(tmp_path / "slot", doubler(tmp_path / "double.onnx", dtype))
    engine = any_engine(slot)
    engine.swap()
    result = engine.infer({"once": once})
    assert result.digest == slot.current()
    assert result.outputs["twice"].tolist() == (once + once).tolist()
    with pytest.raises(InvalidData, match="this engine has no task"):
        engine.predict(windows(1))


@pytest.mark.parametrize(
    ("arrays", "outputs", "words"),
    [
        ({}, None, "input 'once': is missing. Give once"),
        (
            {"one": np.array([[1, 2]], np.float32)},
            None,
            "input 'one': is not in the model. Name once",
        ),
        (
            {"once": np.array([[1, 2]], np.float64)},
            None,
            "has type float64, the model takes float32",
        ),
        (
            {"once": np.ones((1, 3), np.float32)},
            None,
            r"shape \(1, 3\), the model takes \('any', 2\)",
        ),
        ({"once": np.ones(2, np.float32)}, None, r"shape \(2,\), the model takes"),
        (
            {"once": np.array([[1, 2]], np.float32)},
            ["thrice"],
            "output 'thrice': is not in the model",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    arrays: dict[str, Floats], outputs: list[str] | None, words: str, tmp_path: Path
) -> None:
    slot = slot_with(tmp_path / "slot", doubler(tmp_path / "double.onnx", TensorProto.FLOAT))
    engine = any_engine(slot)
    engine.swap()
    with pytest.raises(InvalidData, match=words):
        engine.infer(arrays, outputs)
