"""A label a reading, the whole way, on real motion data: training, record, model, a box, events."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fl_common.errors import InvalidData
from models.metadata import read_metadata
from models.onnx.runtime import onnxruntime
from simulate import Result, configure, run
from simulate.data.check import check
from tests.support.chance import SIGMAS
from tests.support.kinds import assert_trainers_agree, check_schema, engine_of, event_of
from tests.support.own_data import world_of

pytestmark = pytest.mark.slow

LENGTH = 96
KIND = ("task.kind=sequence", "world.rate_hz=50")


@pytest.fixture(scope="module")
def walks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six persons' windows joined, the first half of each, and cut anew across their labels."""
    path = tmp_path_factory.mktemp("walks") / "walks.npz"
    x, y, site = [], [], []
    with np.load(shared_data / "ucihar.npz") as data:
        for person in range(1, 7):
            own = data["subject"] == person
            values = data["x"][own][:, :64].reshape(-1, 9)
            labels = np.repeat(data["y"][own], 64) // 3  # in motion, or at rest
            count = len(values) // LENGTH
            x.append(values[: count * LENGTH].reshape(count, LENGTH, 9)[:60])
            y.append(labels[: count * LENGTH].reshape(count, LENGTH)[:60])
            site += [person] * len(y[-1])
    np.savez(path, x=np.concatenate(x), y=np.concatenate(y), site=site)
    return path


def asked(walks: Path, *more: str) -> tuple[str, ...]:
    return ("task=arrays", f"data.path={walks}", *KIND, "world.labels=[moving,resting]", *more)


@pytest.fixture(scope="module", params=["window", "none"])
def finished(
    walks: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    more = (f"privacy={request.param}", "evaluation=federated", "rounds=6")
    folder = tmp_path_factory.mktemp("run") / "run"
    return run(configure(*asked(walks, *more)), folder=folder)


def test_it_learns_and_its_record_counts_readings(finished: Result, walks: Path) -> None:
    summary, test = finished.summary, world_of(configure(*asked(walks))).test().windows
    check_schema(summary)
    assert (summary["kind"], summary["net"]) == ("sequence", "labeller")
    assert summary["accuracy"] > 0.8
    assert np.sum(summary["confusion"]) == test.labels.size
    assert "readings held out from training" in finished.report.read_text("utf-8")


def test_the_sites_count_the_share_of_right_readings(finished: Result) -> None:
    told = finished.summary["on_sites"]
    spread = told["accuracy_error"] if told["noise_on_counts"] else 1e-3
    assert abs(told["accuracy"] - finished.summary["accuracy"]) < SIGMAS * spread


def test_a_box_answers_as_onnx_runtime_and_the_record_do(
    finished: Result, walks: Path, tmp_path: Path
) -> None:
    assert read_metadata(finished.model.read_bytes()).kind.name == "sequence"
    world = world_of(configure(*asked(walks)))
    engine = engine_of(finished.model, world.task, tmp_path)
    windows = world.test().windows
    prediction = engine.predict(windows.values)
    session = onnxruntime.InferenceSession(
        finished.model.read_bytes(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["probabilities"], {"values": windows.values})
    named_N = found.reshape(-1, LENGTH, 2).argmax(2)
    both = windows.labels.ravel(), named_N.ravel()
    measures = finished.summary["measures"]
    assert measures["accuracy"] == pytest.approx(accuracy_score(*both), abs=2e-3)
    assert measures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(*both), abs=2e-3)
    runs = event_of(world.task, prediction)["runs"]
    assert (runs[0]["from_s"], runs[-1]["to_s"]) == (0.0, LENGTH / 50)
    assert runs[0]["label"] == ("moving", "resting")[int(named_N[0, 0])]


def test_both_trainers_learn_the_same(walks: Path, tmp_path: Path) -> None:
    assert_trainers_agree(
        lambda trainer: configure(*asked(walks, trainer, "rounds=1", "sites=2")),
        lambda summary: float(summary["loss"]),
        tmp_path,
    )


def test_one_label_a_window_is_refused(walks: Path, tmp_path: Path) -> None:
    with np.load(walks) as data:
        np.savez(tmp_path / "short.npz", x=data["x"], y=data["y"][:, :9], site=data["site"])
        np.savez(tmp_path / "flat.npz", x=data["x"], y=data["y"][:, 0], site=data["site"])
    for name, words in (("short", "one label for each reading"), ("flat", "each reading of a")):
        with pytest.raises(InvalidData, match=words):
            run(configure(*asked(tmp_path / f"{name}.npz")))


def test_check_tells_the_usual_label_of_windows(
    walks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check([str(walks), *KIND])
    shown = capsys.readouterr().out
    assert "2 labels" in shown
    assert "task.kind=sequence" in shown
