"""A task of several labels a window, the whole way, on recordings of persons: a foreign judge's
F1, the published file in plain ONNX Runtime, a box's answer and its event."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sklearn.metrics import f1_score

from benchmarks.privacy.multilabel import LABELS, write_exercises
from fl_client.inference.engine import Engine
from fl_client.inference.events import prediction_event
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration
from models.kinds import check_labelled
from models.kinds.multilabel import has_of
from models.metadata import read_metadata
from models.onnx.runtime import onnxruntime
from simulate import Result, configure, run
from simulate.configuration.composition import resolved
from simulate.data.check import check
from simulate.job.preparation import yaml_of
from simulate.world.build import open_world
from tests.support.engines import no_trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smartwatch windows of ten persons, with what they do as one text."""
    path = tmp_path_factory.mktemp("exercises") / "exercises.npz"
    write_exercises(path)
    return path


def asked(npz: Path, *more: str) -> tuple[str, ...]:
    return ("task=arrays", f"data.path={npz}", "task.kind=multilabel", *more)


@pytest.fixture(scope="module", params=["window", "none"])
def finished(
    npz: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    more = (f"privacy={request.param}", "evaluation=federated", "rounds=12")
    folder = tmp_path_factory.mktemp("run") / "run"
    return run(configure(*asked(npz, *more)), folder=folder)


def test_it_learns_and_its_record_says_so(finished: Result) -> None:
    summary = finished.summary
    schema = json.loads(files("simulate.report").joinpath("summary.schema.json").read_text())
    Draft202012Validator(schema).validate(summary)
    assert (summary["kind"], summary["accuracy"]) == ("multilabel", None)
    assert summary["measures"]["macro_f1"] > 0.8, "naming all three each time has 0.56"
    assert [*summary["measures_of_label"]] == list(LABELS)
    assert set(summary["on_sites"]["measures"]) >= {"micro_f1"}
    page = finished.report.read_text("utf-8")
    assert "F1 of each label" in page
    assert "Confusion matrix" not in page


def test_a_foreign_runtime_and_a_foreign_judge_agree(finished: Result, npz: Path) -> None:
    test = open_world(yaml_of(resolved(configure(*asked(npz)))["world"])).test().windows
    session = onnxruntime.InferenceSession(str(finished.model))
    (answers_NK,) = session.run(["probabilities"], {"values": test.values})
    truth_NK, named_NK = has_of(test.labels, 3), answers_NK >= 0.5
    for average in ("macro", "micro"):
        judged = f1_score(truth_NK, named_NK, average=average)
        assert finished.summary["measures"][f"{average}_f1"] == pytest.approx(judged)


def test_a_box_answers_with_all_its_labels(finished: Result, npz: Path, tmp_path: Path) -> None:
    metadata = read_metadata(finished.model.read_bytes())
    assert dict(metadata.kind.options) == {"labels": ";".join(LABELS)}
    world = open_world(yaml_of(resolved(configure(*asked(npz)))["world"]))
    slot = ModelSlot(tmp_path / "slot")
    slot.activate(slot.place(finished.model))
    engine = Engine(slot, world.task, 1, 8, no_trial, 60.0)
    assert engine.swap(), engine.status().trouble
    prediction = engine.predict(world.test().windows.values[:8])
    time = datetime(2026, 1, 31, 12, tzinfo=UTC)
    event = prediction_event("/sites/7", world.task, prediction, 0, 0, "by1", time, 0.02)
    named = [n for n, p in event.data["probabilities"].items() if p >= 0.5]
    assert event.data["labels"] == named
    assert [*event.data["probabilities"]] == list(LABELS)


def test_both_trainers_learn_the_same(npz: Path, tmp_path: Path) -> None:
    losses = []
    for trainer in ("cohort", "opacus"):
        settings = configure(*asked(npz, f"training={trainer}", "rounds=2"))
        losses.append(run(settings, folder=tmp_path / trainer).summary["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_check_counts_the_rows_of_each_label(npz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check([str(npz), "task.kind=multilabel", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [*told["labels"]] == list(LABELS)
    assert sum(told["sites"].values()) == told["rows"]
    assert told["labels"]["band"]["rows"] > told["labels"]["rotation"]["rows"]
    assert "task.kind=multilabel" in told["command"]


def test_what_needs_one_label_a_window_refuses_it_by_name(npz: Path) -> None:
    world = open_world(yaml_of(resolved(configure(*asked(npz)))["world"]))
    with pytest.raises(InvalidConfiguration, match="kind multilabel yet"):
        check_labelled(world.task, "functions", "Set functions=none")
    with pytest.raises(InvalidConfiguration, match="is for regression"):
        run(configure(*asked(npz, "task.range=[0,1]")))
