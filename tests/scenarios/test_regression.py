"""A task of numbers, the whole way: training, evaluation, record, model, a box's answer, events."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from fl_common.errors import InvalidConfiguration, InvalidData
from models.metadata import read_metadata
from simulate import Result, configure, run
from simulate.data.check import check
from tests.support.chance import SIGMAS
from tests.support.kinds import assert_trainers_agree, check_schema, engine_of, event_of
from tests.support.own_data import world_of

pytestmark = pytest.mark.slow

KIND = ("task.kind=regression", "task.range=[0,50]", "task.unit=Cel")
QUICK = ("net=logistic", "rounds=8", "training.learning_rate=0.5")


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels of 3 sites, and a temperature that follows from one."""
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("numbers") / "oven.csv"
    lines = ["site,load,fan,heat"]
    for row in range(300):
        load, fan = generator.normal(0, 1, 2)
        lines.append(f"s{row % 3},{load:.4f},{fan:.4f},{25 + 8 * np.tanh(load):.4f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(csv: Path, *more: str) -> tuple[str, ...]:
    return ("task=arrays", f"data.path={csv}", "data.label=heat", *more)


@pytest.fixture(scope="module", params=["window", "none"])
def finished(
    csv: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    more = (f"privacy={request.param}", "evaluation=federated")
    folder = tmp_path_factory.mktemp("run") / "run"
    return run(configure(*asked(csv, *KIND, *QUICK, *more)), folder=folder)


def test_a_model_that_is_worse_than_the_mean_is_said(
    finished: Result, csv: Path, tmp_path: Path
) -> None:
    drowned = (*QUICK, "privacy.epsilon=0.05")
    result = run(configure(*asked(csv, *KIND, *drowned)), folder=tmp_path / "drowned")
    assert result.summary["measures"]["r2"] < 0
    assert [note for note in result.summary["notes"] if "no better than naming the mean" in note]
    assert not [note for note in finished.summary["notes"] if "worse than" in note]


def test_a_quantile_is_learnt_under_dp_and_not_the_median(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2000, 3))
    np.savez(tmp_path / "own.npz", x=x, y=(50 + 10 * x[:, 0] + generator.normal(0, 10, 2000)))
    numbers = ("task.kind=regression", "task.range=[-50,150]", "task.quantile=0.9")
    where = (f"data.path={tmp_path / 'own.npz'}", "sites=5", "partition=iid")
    result = run(configure("task=arrays", *where, *numbers), folder=tmp_path / "run")
    assert 0.85 < result.summary["measures"]["coverage"] < 0.97


@pytest.mark.parametrize("sites", [1, 5, 10])
@pytest.mark.parametrize("quantile", [None, 0.5])
def test_no_default_is_worse_than_a_guess_on_few_windows(
    sites: int, quantile: float | None, tmp_path: Path
) -> None:
    diabetes = load_diabetes(scaled=False)
    np.savez(tmp_path / "own.npz", x=diabetes.data, y=diabetes.target)
    numbers = ("task.kind=regression", "task.range=[0,400]", f"task.quantile={quantile or 'null'}")
    where = (f"data.path={tmp_path / 'own.npz'}", f"sites={sites}", "partition=iid")
    result = run(configure("task=arrays", *where, *numbers), folder=tmp_path / "run")
    assert result.summary["measures"]["mae"] < 59, "that of naming the mean is 65"
    assert "auto is" in result.summary["rate_choice"]


def test_it_learns_and_its_record_says_so(finished: Result) -> None:
    summary = finished.summary
    check_schema(summary)
    assert summary["kind"] == "regression"
    assert summary["accuracy"] is None
    assert summary["measures"]["mae"] < 4, "a guess of the mean is off by more than 5"
    assert summary["measures"]["r2"] > 0.4
    assert set(summary["measure_of_group"]) == {"s0", "s1", "s2"}
    assert [round_.measures["mae"] for round_ in finished.history][-1] == summary["measures"]["mae"]
    page = finished.report.read_text("utf-8")
    assert "Mean absolute error over rounds" in page
    assert "Confusion matrix" not in page


def test_the_sites_count_scores_that_stand_for_the_error(finished: Result) -> None:
    told = finished.summary["on_sites"]
    error = 50 * (1 - told["accuracy"])
    spread = 50 * told["accuracy_error"] if told["noise_on_counts"] else 0.05
    assert abs(error - finished.summary["measures"]["mae"]) < SIGMAS * spread


def test_a_box_answers_with_the_number_in_its_unit(
    finished: Result, csv: Path, tmp_path: Path
) -> None:
    metadata = read_metadata(finished.model.read_bytes())
    assert dict(metadata.kind.options)["high"] == 50.0
    world = world_of(configure(*asked(csv, *KIND)))
    engine = engine_of(finished.model, world.task, tmp_path)
    windows = world.test().windows
    prediction = engine.predict(windows.values)
    error = np.abs(prediction.answers_ND[:, 0] - windows.labels).mean()
    assert error == pytest.approx(finished.summary["measures"]["mae"], rel=1e-4)
    data = event_of(world.task, prediction)
    assert data["value"] == pytest.approx(float(prediction.answers_ND[0, 0]), rel=1e-5)
    assert data["unit"] == "Cel"
    assert "label" not in data


def test_both_trainers_learn_the_same(csv: Path, tmp_path: Path) -> None:
    assert_trainers_agree(
        lambda trainer: configure(*asked(csv, *KIND, *QUICK, trainer, "rounds=2")),
        lambda summary: summary["measures"]["mae"],
        tmp_path,
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("task.kind=regression",), "needs the lowest and the highest number"),
        (("task.kind=regression", "task.range=[50,0]"), "must be two finite numbers"),
        (("task.range=[0,50]",), "task.kind is classification"),
        (("task.kind=regresion", "task.range=[0,50]"), "must be one of classification, regression"),
    ],
)
def test_a_kind_that_can_t_be_is_refused(csv: Path, more: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        run(configure(*asked(csv, *more)))


def test_numbers_beyond_the_declared_range_are_refused(csv: Path) -> None:
    narrow = ("task.kind=regression", "task.range=[20,30]")
    with pytest.raises(InvalidData, match=r"of 300 numbers from .* within the range \[20, 30\]"):
        run(configure(*asked(csv, *narrow)))


def test_check_tells_where_the_numbers_lie(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(csv), "data.label=heat", *KIND]) == 0
    shown = capsys.readouterr().out
    assert "10 tenths of the numbers" in shown
    assert "task.kind=regression" in shown
