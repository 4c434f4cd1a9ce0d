"""A run's record can be checked: its epsilon, its figures and its weights, by other tools."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from opacus.accountants import RDPAccountant

from fl_common.files.safetensors import read_safetensors
from fl_common.params import digest
from fl_server.rounds.checkpoint import load_latest
from simulate import Result, configure, run
from tests.support.kinds import SCHEMA, check_schema

QUICK = ("net=logistic", "sites=3", "rounds=2")
PLANS = {
    "window": ("privacy.sampling_rate=0.5",),
    "none": ("privacy=none",),
    "site": ("privacy=site", "privacy.delta=0.01", "privacy.noise_multiplier=2"),
}


@pytest.fixture(scope="module", params=PLANS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("checked") / "run"
    return run(configure(*QUICK, *PLANS[request.param]), folder=folder)


def test_the_summary_follows_its_schema(finished: Result) -> None:
    summary = json.loads((finished.folder / "summary.json").read_text("utf-8"))
    check_schema(summary)
    unknown = set(summary) - set(SCHEMA["properties"])
    assert unknown <= {"epsilon_per_window", "epsilon_per_reading", "epsilon_held_out"}


def test_epsilon_can_be_computed_from_the_summary_alone(finished: Result) -> None:
    summary = finished.summary
    if summary["epsilon"] is None:
        assert summary["spend_per_round"] == []
        return
    accountant = RDPAccountant()
    for spend in summary["spend_per_round"]:
        one = (spend["noise_multiplier"], spend["sampling_rate"])
        accountant.history.append((*one, spend["steps"] * summary["rounds"]))
    theirs = accountant.get_epsilon(summary["delta"])
    assert summary["epsilon"] == pytest.approx(theirs, rel=0.01)
    assert summary["privacy_plan"]["clip_norm"] > 0


def test_the_reports_figures_can_be_computed_from_the_summary(finished: Result) -> None:
    summary = finished.summary
    confusion_KK = np.array(summary["confusion"])
    assert np.trace(confusion_KK) / confusion_KK.sum() == pytest.approx(summary["accuracy"])
    for label, row_K in zip(summary["labels"], confusion_KK, strict=True):
        share = row_K[summary["labels"].index(label)] / row_K.sum()
        assert share == pytest.approx(summary["per_class_accuracy"][label])
    assert len(summary["accuracy_of_group"]) == 3


def test_the_rounds_are_a_table(finished: Result) -> None:
    with Path(finished.folder / "rounds.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["round"]) for row in rows] == [1, 2]
    for row, result in zip(rows, finished.history, strict=True):
        assert float(row["accuracy"]) == pytest.approx(result.accuracy)
        assert float(row["epsilon"]) == pytest.approx(result.epsilon)


def test_the_weights_are_those_of_the_run(finished: Result) -> None:
    arrays, about = read_safetensors(finished.folder / "weights.safetensors")
    kept = load_latest(finished.folder / "checkpoints")
    assert kept is not None
    assert digest(arrays) == digest(kept.parameters) == about["parameter_digest"]
    assert about["parameter_digest"] == finished.summary["parameter_digest"]
    assert about["run"] == finished.summary["run"]
