"""A task of several labels a window, the whole way, on recordings of persons: a foreign judge's
F1, the published file in plain ONNX Runtime, a box's answer and its event."""

import json
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from benchmarks.privacy.multilabel import LABELS, write_exercises
from fl_common.errors import InvalidConfiguration
from models.kinds.multilabel import has_of
from models.metadata import read_metadata
from models.onnx.runtime import onnxruntime
from simulate import Result, configure, run
from simulate.data.check import check
from tests.support.kinds import assert_trainers_agree, check_schema, engine_of, event_of
from tests.support.own_data import world_of

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
    check_schema(summary)
    assert (summary["kind"], summary["accuracy"]) == ("multilabel", None)
    assert summary["measures"]["macro_f1"] > 0.8, "naming all three each time has 0.56"
    assert [*summary["measures_of_label"]] == list(LABELS)
    assert set(summary["on_sites"]["measures"]) >= {"micro_f1"}
    page = finished.report.read_text("utf-8")
    assert "F1 of each label" in page
    assert "Confusion matrix" not in page


def test_a_foreign_runtime_and_a_foreign_judge_agree(finished: Result, npz: Path) -> None:
    test = world_of(configure(*asked(npz))).test().windows
    session = onnxruntime.InferenceSession(str(finished.model))
    (answers_NK,) = session.run(["probabilities"], {"values": test.values})
    truth_NK, named_NK = has_of(test.labels, 3), answers_NK >= 0.5
    for average in ("macro", "micro"):
        judged = f1_score(truth_NK, named_NK, average=average)
        assert finished.summary["measures"][f"{average}_f1"] == pytest.approx(judged)


def test_a_box_answers_with_all_its_labels(finished: Result, npz: Path, tmp_path: Path) -> None:
    metadata = read_metadata(finished.model.read_bytes())
    assert dict(metadata.kind.options) == {"labels": ";".join(LABELS)}
    world = world_of(configure(*asked(npz)))
    engine = engine_of(finished.model, world.task, tmp_path)
    prediction = engine.predict(world.test().windows.values[:8])
    data = event_of(world.task, prediction)
    assert data["labels"] == [n for n, p in data["probabilities"].items() if p >= 0.5]
    assert [*data["probabilities"]] == list(LABELS)


def test_both_trainers_learn_the_same(npz: Path, tmp_path: Path) -> None:
    assert_trainers_agree(
        lambda trainer: configure(*asked(npz, trainer, "rounds=2")),
        lambda summary: float(summary["loss"]),
        tmp_path,
    )


def test_check_counts_the_rows_of_each_label(npz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check([str(npz), "task.kind=multilabel", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [*told["labels"]] == list(LABELS)
    assert sum(told["sites"].values()) == told["rows"]
    assert told["labels"]["band"]["rows"] > told["labels"]["rotation"]["rows"]
    assert "task.kind=multilabel" in told["command"]


def test_an_option_of_another_kind_is_refused_by_name(npz: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="is for regression"):
        run(configure(*asked(npz, "task.range=[0,1]")))
