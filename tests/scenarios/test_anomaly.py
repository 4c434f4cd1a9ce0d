"""A task without labels, the whole way: training, threshold, record, model, a box's events."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opacus.accountants import RDPAccountant
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fl_client.__main__ import main
from fl_client.components.comparison import compare_each
from fl_client.home import MODEL, SLOTS
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Windows
from models.metadata import read_metadata
from models.onnx.runtime import onnxruntime
from simulate import Result, configure, resume, run
from simulate.data.check import check
from tests.support.chance import SIGMAS
from tests.support.kinds import check_schema, engine_of, event_of
from tests.support.nodes import PERIOD, START
from tests.support.own_data import world_of

pytestmark = pytest.mark.slow

QUICK = ("rounds=6",)
CHANNELS = "acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty measures of benign tumours, and of malignant ones, which are the anomalies."""
    x, is_benign = load_breast_cancer(return_X_y=True)
    path = tmp_path_factory.mktemp("tissue") / "tissue.npz"
    np.savez(path, x=x, y=1 - is_benign, site=np.arange(len(x)) % 4)
    return path


def asked(path: Path, *more: str) -> Any:
    return configure("task=arrays", "task.kind=anomaly", f"data.path={path}", *QUICK, *more)


@pytest.fixture(scope="module", params=["window", "none"])
def finished(
    tissue: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    more = (f"privacy={request.param}", "evaluation=federated")
    return run(asked(tissue, *more), folder=tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def scored(finished: Result, tissue: Path) -> tuple[Windows, np.ndarray, np.ndarray]:
    """The test windows, and what a foreign runtime makes of them: scores and thresholds."""
    windows = world_of(asked(tissue)).test().windows
    session = onnxruntime.InferenceSession(finished.model, providers=["CPUExecutionProvider"])
    pairs_N2, score_N1 = session.run(["scored", "score"], {"values": windows.values})
    np.testing.assert_array_equal(pairs_N2[:, :1], score_N1)
    return windows, pairs_N2[:, 0], pairs_N2[:, 1]


def test_the_file_scores_as_the_record_says_by_another_judge(
    finished: Result, scored: tuple[Windows, np.ndarray, np.ndarray]
) -> None:
    windows, score_N, threshold_N = scored
    measures, is_odd_N = finished.summary["measures"], windows.labels == 1
    assert measures["auroc"] == pytest.approx(roc_auc_score(is_odd_N, score_N), abs=2e-3)
    assert measures["auroc"] > 0.8, "a guess has 0.5"
    above_N = score_N > threshold_N
    assert measures["found"] == pytest.approx(above_N[is_odd_N].mean(), abs=0.01)
    assert measures["false_alarms"] == pytest.approx(above_N[~is_odd_N].mean(), abs=0.02)
    told = finished.summary["threshold"]
    np.testing.assert_allclose(threshold_N, told["value"], rtol=1e-6)
    published = read_metadata(finished.model.read_bytes()).privacy["threshold"]
    assert published["value"] == told["value"]


def test_anomalies_are_for_the_test_alone_and_it_is_said(finished: Result, tissue: Path) -> None:
    world = world_of(asked(tissue))
    trained = [world.windows(site).labels for site in range(len(world.sites))]
    assert not any((labels_N == 1).any() for labels_N in trained)
    assert (world.test().windows.labels == 1).sum() == 212
    assert [note for note in finished.summary["notes"] if "212 rows are known to be anom" in note]


def test_threshold_and_training_keep_to_the_limit_by_another_accountant(finished: Result) -> None:
    summary = finished.summary
    check_schema(summary)
    threshold = summary["threshold"]
    assert threshold["found"]
    if summary["epsilon"] is None:
        assert threshold["spend"] is None
        return
    judge = RDPAccountant()
    training = {**summary["spend_per_round"][0]}
    training["steps"] *= summary["rounds"]
    for event in (threshold["spend"], training):
        judge.history.append((event["noise_multiplier"], event["sampling_rate"], event["steps"]))
    judged = judge.get_epsilon(summary["delta"])
    assert judged == pytest.approx(summary["epsilon"], rel=0.01)
    assert 7.5 < summary["epsilon"] <= 8.0
    assert threshold["epsilon"] <= 1.0


def test_without_noise_the_threshold_is_the_quantile_of_the_sites_own_scores(
    finished: Result, tissue: Path
) -> None:
    world = world_of(asked(tissue))
    values_N = np.concatenate([world.windows(site).values for site in range(len(world.sites))])
    session = onnxruntime.InferenceSession(finished.model, providers=["CPUExecutionProvider"])
    (score_N1,) = session.run(["score"], {"values": values_N})
    below = (score_N1 < finished.summary["threshold"]["value"]).mean()
    assert below == pytest.approx(0.95, abs=0.01 if finished.summary["epsilon"] is None else 0.05)


def test_the_sites_tell_the_mean_error_of_scores(finished: Result) -> None:
    told = finished.summary["on_sites"]
    spread = told["accuracy_error"] if told["noise_on_counts"] else 0.005
    assert abs(1 - told["accuracy"] - finished.summary["measures"]["score_error"]) < SIGMAS * spread


def test_a_box_tells_score_threshold_and_whether_it_is_above(
    finished: Result, tissue: Path, tmp_path: Path, scored: tuple[Any, np.ndarray, np.ndarray]
) -> None:
    windows, score_N, threshold_N = scored
    task = world_of(asked(tissue)).task
    prediction = engine_of(finished.model, task, tmp_path).predict(windows.values)
    for row in (int(score_N.argmin()), int(score_N.argmax())):
        data = event_of(task, prediction, row)
        assert data["score"] == pytest.approx(float(score_N[row]), rel=1e-4)
        assert data["threshold"] == pytest.approx(float(threshold_N[0]), rel=1e-5)
        assert data["anomalous"] == bool(score_N[row] > threshold_N[0])
        assert "label" not in data
    content = finished.model.read_bytes()
    compared = compare_each(content, content, task, 60.0, windows.values[:3])
    assert all(each.agreed for each in compared)


def test_a_box_plays_a_recording_and_counts_what_is_anomalous(
    tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a model of all exercises but one, on windows that the box cuts itself."""
    with np.load(shared_data / "watch_shoulder.npz") as file:
        own = {name: file[column][:600] for name, column in {"x": "x", "site": "subject"}.items()}
    np.savez(tmp_path / "watch.npz", **dict[str, Any](own))
    units = "world.units=[g,g,g,rad/s,rad/s,rad/s]"
    named = (units, "world.rate_hz=50", f"data.channels=[{CHANNELS}]", "privacy=none", "rounds=3")
    result = run(asked(tmp_path / "watch.npz", *named), folder=tmp_path / "run")
    stamps, values_LC = START + PERIOD * np.arange(128 * 8), own["x"][:8].reshape(-1, 6)
    rows = [
        f"{stamp},{','.join(map(str, row))}"
        for stamp, row in zip(stamps.tolist(), values_LC.tolist(), strict=True)
    ]
    recording, box = tmp_path / "watch.csv", tmp_path / "box.yaml"
    recording.write_text("\n".join([f"time,{CHANNELS}", *rows]) + "\n")
    metadata = read_metadata(result.model.read_bytes())
    declared = {
        "_target_": "models.tasks.declared", "name": metadata.task, "labels": [],
        "channels": metadata.channels, "units": metadata.units, "rate_hz": 50.0,
        "window_shape": metadata.window_shape, "center": [0] * 6, "scale": [1] * 6,
        "windows_per_reading": 1, "kind": "anomaly",
    }  # fmt: skip
    box.write_text(f"{json.dumps({'task': declared})[:-1]}, defaults: [node, _self_]}}")
    slot, out = ModelSlot(tmp_path / "box" / SLOTS / MODEL), tmp_path / "out.jsonl"
    slot.activate(slot.place(result.model))
    about = ("functions=none", "components.functions=[]", "windows.step=128")
    main(["replay", str(recording), "--out", str(out), "--config", str(box),
          f"home={tmp_path / 'box'}", *about])  # fmt: skip
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(told) == 8
    assert all(one["anomalous"] == (one["score"] > one["threshold"]) for one in told)
    words = Counter("anomalous" if one["anomalous"] else "normal" for one in told)
    shown = " ".join(capsys.readouterr().out.split())
    assert "predictions " + ", ".join(f"{w} {n}" for w, n in words.most_common()) in shown


def test_the_report_shows_scores_and_the_roc_curve(finished: Result) -> None:
    page = finished.report.read_text("utf-8")
    for title in ("AUROC over rounds", "Scores of the test windows", "rate of false alarms (ROC)"):
        assert title in page
    assert "Confusion matrix" not in page
    assert "Answers beside the truth" not in page


def test_a_finished_run_that_is_resumed_asks_no_more(tissue: Path, tmp_path: Path) -> None:
    whole = run(asked(tissue, "rounds=2"), folder=tmp_path / "run").summary
    again = resume(tmp_path / "run").summary
    for name in ("threshold", "parameter_digest", "epsilon"):
        assert again[name] == whole[name]


def test_a_file_without_labels_is_learnt_and_what_is_not_known_is_said(
    tissue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain.npz"
    np.savez(plain, x=np.load(tissue)["x"][:300], site=np.arange(300) % 4)
    summary = run(asked(plain, "privacy=none"), folder=tmp_path / "run").summary
    assert summary["measures"]["auroc"] is None
    assert 0 < summary["measures"]["score_error"] < 1
    assert [note for note in summary["notes"] if "how well they are found is not known" in note]
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Mean error of scores over rounds" in page
    assert check([str(plain), "task.kind=anomaly"]) in (0, 1)
    assert "data.label=" not in capsys.readouterr().out


def test_noise_that_hides_the_scores_is_said(tissue: Path, tmp_path: Path) -> None:
    drowned = asked(tissue, "rounds=1", "threshold_epsilon=0.01")
    summary = run(drowned, folder=tmp_path / "run").summary
    assert not summary["threshold"]["found"]
    assert summary["threshold"]["value"] == 1.0
    assert [note for note in summary["notes"] if "Raise threshold_epsilon" in note]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("net=logistic",), "net=autoencoder or net=one_class"),
        (("task.range=[0,1]",), r"task\.kind is anomaly"),
        (("task.quantile=2",), r"task\.quantile=2"),
        (("threshold_epsilon=8",), "must be below privacy.epsilon, 8"),
        (("task.kind=classification", "net=autoencoder"), r"net=auto, or for anomaly"),
    ],
)
def test_what_can_t_be_is_refused(tissue: Path, more: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        run(asked(tissue, *more))


def test_labels_that_say_neither_are_refused(tissue: Path, tmp_path: Path) -> None:
    several = tmp_path / "several.npz"
    np.savez(several, x=np.load(tissue)["x"], y=np.arange(569) % 3, site=np.arange(569) % 4)
    with pytest.raises(InvalidData, match=r"y '2'\): must be 1|data\.label=none"):
        run(asked(several))
