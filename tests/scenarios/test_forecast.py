"""A forecast, the whole way, on real motion data: training, evaluation, record, model, events."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from fl_client.__main__ import main
from fl_client.home import MODEL, SLOTS
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration, InvalidData
from models.metadata import read_metadata
from models.onnx.runtime import onnxruntime
from simulate import Result, configure, run
from simulate.data.check import check
from tests.support.chance import SIGMAS
from tests.support.kinds import assert_trainers_agree, check_schema, engine_of, event_of
from tests.support.nodes import PERIOD, START
from tests.support.own_data import world_of

pytestmark = pytest.mark.slow

HORIZON = 16
SIGNALS = "acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"
KIND = (
    "task.kind=forecast",
    f"task.horizon={HORIZON}",
    "world.rate_hz=50",
    f"data.channels=[{SIGNALS}]",
    "world.units=[g,g,g,rad/s,rad/s,rad/s]",
)


@pytest.fixture(scope="module")
def watch(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fourth window of the smartwatch, with the person, and no labels."""
    path = tmp_path_factory.mktemp("watch") / "watch.npz"
    with np.load(shared_data / "watch_shoulder.npz") as data:
        np.savez(path, x=data["x"][::4], subject=data["subject"][::4])
    return path


def asked(watch: Path, *more: str) -> tuple[str, ...]:
    return ("task=arrays", f"data.path={watch}", *KIND, *more)


@pytest.fixture(scope="module", params=["window", "none"])
def finished(
    watch: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    more = (f"privacy={request.param}", "evaluation=federated", "rounds=15")
    folder = tmp_path_factory.mktemp("run") / "run"
    return run(configure(*asked(watch, *more)), folder=folder)


def test_it_beats_the_last_reading_and_its_record_says_so(finished: Result) -> None:
    summary = finished.summary
    check_schema(summary)
    assert (summary["kind"], summary["net"]) == ("forecast", "autoregressive")
    assert summary["accuracy"] is None
    assert summary["measures"]["of_last"] < 0.9
    assert len(summary["measure_of_group"]) == 10
    by_channel = summary["measures_of_channel"]
    shares = [channel["of_last"] for channel in by_channel.values()]
    assert summary["measures"]["of_last"] == pytest.approx(np.mean(shares))
    page = finished.report.read_text("utf-8")
    for title in ("Some forecasts of acc_x", "Error by steps ahead", "Error per channel"):
        assert title in page
    assert "Confusion matrix" not in page


def test_the_sites_count_scores_that_stand_for_the_scaled_error(
    finished: Result, watch: Path
) -> None:
    told, test = finished.summary["on_sites"], world_of(configure(*asked(watch))).test().windows
    answers_N = answered(finished.model, test.values)
    spread_NC1, came_NCH = test.labels[:, :, 1:2], test.labels[:, :, 2:]
    share_NCH = np.minimum(np.abs(answers_N - came_NCH) / spread_NC1, 4.0)
    spread = 4 * told["accuracy_error"] if told["noise_on_counts"] else 0.01
    assert abs(4 * (1 - told["accuracy"]) - share_NCH.mean()) < SIGMAS * spread


def test_a_box_forecasts_as_onnx_runtime_and_the_record_do(
    finished: Result, watch: Path, tmp_path: Path
) -> None:
    assert dict(read_metadata(finished.model.read_bytes()).kind.options) == {"horizon": HORIZON}
    world = world_of(configure(*asked(watch)))
    engine = engine_of(finished.model, world.task, tmp_path)
    windows = world.test().windows
    prediction = engine.predict(windows.values)
    answers_N = answered(finished.model, windows.values)
    np.testing.assert_allclose(
        prediction.answers_ND.reshape(answers_N.shape), answers_N, 1e-4, 1e-5
    )
    error = mean_absolute_error(windows.labels[:, 3, 2:], answers_N[:, 3])
    assert finished.summary["measures_of_channel"]["gyro_x"]["mae"] == pytest.approx(
        error, rel=1e-4
    )
    data = event_of(world.task, prediction)
    np.testing.assert_allclose(data["forecast"]["gyro_x"], answers_N[0, 3], rtol=1e-4, atol=1e-5)
    assert data["seconds_ahead"] == [round(step / 50, 6) for step in range(1, HORIZON + 1)]
    assert "label" not in data


def answered(model: Path, values_N: np.ndarray) -> np.ndarray:
    """ONNX Runtime's own answer to the published file, (N, C, horizon)."""
    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["forecast"], {"values": values_N})
    shaped: np.ndarray = found.reshape(len(values_N), -1, HORIZON)
    return shaped


def test_a_box_plays_a_recording_and_tells_what_comes_next(
    finished: Result, watch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The windows that the box cuts, and the forecasts that ONNX Runtime makes of them."""
    task = world_of(configure(*asked(watch))).task
    values_LC = np.load(watch)["x"][:4].reshape(-1, 6)
    rows = [
        f"{START + n * PERIOD},{','.join(map(str, row))}"
        for n, row in enumerate(values_LC.tolist())
    ]
    recording, declared = tmp_path / "watch.csv", tmp_path / "box.yaml"
    recording.write_text("\n".join([f"time,{','.join(task.channels)}", *rows]) + "\n")
    node = {"_target_": "models.tasks.declared", **task.to_fields(), "kind": "forecast"}
    text = json.dumps({"task": {**node, "horizon": HORIZON}})
    declared.write_text(f"{text[:-1]}, defaults: [node, _self_]}}")
    home, out = tmp_path / "box", tmp_path / "out.jsonl"
    slot = ModelSlot(home / SLOTS / MODEL)
    slot.activate(slot.place(finished.model))
    functionless = ("functions=none", "components.functions=[]", "windows.step=112")
    about = ["--config", str(declared), f"home={home}", *functionless]
    main(["replay", str(recording), "--out", str(out), *about])
    told = [json.loads(line) for line in out.read_text().splitlines()]
    starts = [(one["start_ns"] - START) // PERIOD for one in told]
    windows_N = np.stack([values_LC[start : start + 112] for start in starts])
    assert len(told) == 4
    found = np.array([[one["forecast"][name] for name in task.channels] for one in told])
    expected = answered(finished.model, windows_N.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert "forecast 4" in " ".join(capsys.readouterr().out.split())


def test_both_trainers_learn_the_same(watch: Path, tmp_path: Path) -> None:
    assert_trainers_agree(
        lambda trainer: configure(*asked(watch, trainer, "rounds=2")),
        lambda summary: summary["measures"]["of_last"],
        tmp_path,
    )


def test_a_model_that_is_no_better_than_the_last_reading_is_said(
    watch: Path, tmp_path: Path
) -> None:
    drowned = ("rounds=2", "privacy.epsilon=0.02", "training.learning_rate=2")
    result = run(configure(*asked(watch, *drowned)), folder=tmp_path / "drowned")
    assert result.summary["measures"]["of_last"] > 1
    assert [note for note in result.summary["notes"] if "no better than saying" in note]


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        (("task.horizon=null",), InvalidConfiguration, "task.horizon"),
        (("task.horizon=0",), InvalidConfiguration, "task.horizon"),
        (("task.horizon=127",), InvalidData, "2 readings or more before the 127"),
        (("task.range=[0,1]",), InvalidConfiguration, "is for regression"),
        (("data.label=subject",), InvalidConfiguration, "is for nothing: task.kind=forecast"),
    ],
)
def test_what_can_t_be_told_is_refused(
    watch: Path, more: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(configure(*asked(watch, *more)))


def test_check_needs_no_labels(watch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check([str(watch), *KIND])
    shown = capsys.readouterr().out
    assert "10 sites" in shown
    assert "label" not in shown.replace("likely", "")
    assert "task.kind=forecast" in shown
