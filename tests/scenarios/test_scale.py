"""``world.scale=private``: median and spread by a survey, within the limit, wherever it is told."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opacus.accountants import RDPAccountant

from fl_client.ledger.totals import read_totals
from fl_common.errors import InvalidConfiguration
from fl_common.params import digest
from fl_server.rounds.checkpoint import load_latest
from models.metadata import read_metadata
from simulate import Result, configure, resume, run
from tests.support.kinds import check_schema

QUICK = ("rounds=3", "world.scale=private")
PLANS = {
    "window": ("privacy.sampling_rate=0.5",),
    "site": ("privacy=site", "privacy.delta=0.01", "privacy.participation=0.5"),
    "local": ("privacy=site", "privacy.delta=0.01", "privacy.noise=site", "privacy.participation=1",
              "privacy.adaptive_clipping=null"),
    "none": ("privacy=none",),
}  # fmt: skip
OFFSET_C, SPREAD_C = np.array([-800.0, 0.3, 5000.0]), np.array([20.0, 0.01, 300.0])


def far_off(folder: Path, windows: int = 6000) -> str:
    generator = np.random.default_rng(3)
    label_N = generator.integers(0, 2, windows)
    near_NC = 1.5 * label_N[:, None] - 0.75 + 0.5 * generator.standard_normal((windows, 3))
    path = folder / "own.npz"
    np.savez(path, x=OFFSET_C + SPREAD_C * near_NC, y=label_N, site=np.arange(windows) % 8)
    return f"data.path={path}"


def given(folder: Path, plan: str, *more: str) -> Any:
    return configure("task=arrays", far_off(folder), *QUICK, *PLANS[plan], *more)


@pytest.fixture(scope="module", params=PLANS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("scaled")
    return run(given(folder, request.param), folder=folder / "run")


def test_survey_and_training_keep_to_the_limit_by_another_accountant(finished: Result) -> None:
    summary = finished.summary
    check_schema(json.loads((finished.folder / "summary.json").read_text("utf-8")))
    if summary["epsilon"] is None:
        assert summary["scale"]["spend"] is None
        return
    judge = RDPAccountant()
    training = {**summary["spend_per_round"][0]}
    training["steps"] *= summary["rounds"]
    for event in (summary["scale"]["spend"], training):
        judge.history.append((event["noise_multiplier"], event["sampling_rate"], event["steps"]))
    judged = judge.get_epsilon(summary["delta"])
    assert judged == pytest.approx(summary["epsilon"], rel=0.01)
    assert summary["epsilon"] <= 8.0
    assert summary["scale"]["epsilon"] <= 0.5
    assert judged > 7.5


def test_the_ledger_has_the_survey_and_the_model_says_whose_word_its_constants_are(
    finished: Result,
) -> None:
    scale = finished.summary["scale"]
    assert scale["source"] == "private"
    told = read_metadata((finished.folder / "model.onnx").read_bytes()).privacy["scale"]
    assert told["run"] == scale["run"]
    assert told["channels_found"] == scale["channels_found"]
    assert "median and spread" in (finished.folder / "report.html").read_text("utf-8")
    if finished.summary["epsilon"] is not None:
        totals = read_totals(finished.folder / "ledger.sqlite")
        released = totals.trained or totals.whole
        spends = [(one.own or one.of_site) for one in released]
        noise = scale["spend"]["noise_multiplier"]
        assert spends
        assert all(any(s.noise_multiplier == noise for s in own) for own in spends)


def test_it_is_near_the_truth_where_data_are_many(finished: Result) -> None:
    scale = finished.summary["scale"]
    if finished.summary["privacy_unit"] == "site":
        return  # eight sites hide in noise: what is declared stays
    assert scale["channels_found"] == 3
    assert np.abs((np.array(scale["center"]) - OFFSET_C) / SPREAD_C).max() < 0.5
    assert np.abs(np.log(np.array(scale["scale"]) / SPREAD_C)).max() < np.log(2.5)
    assert finished.summary["accuracy"] > 0.9


def test_few_sites_under_site_level_privacy_keep_what_is_declared(tmp_path: Path) -> None:
    done = run(given(tmp_path, "local", "rounds=1"), folder=tmp_path / "run")
    scale = done.summary["scale"]
    assert (scale["channels_found"], scale["center"], scale["scale"]) == (0, [0.0] * 3, [1.0] * 3)


def test_a_resumed_run_neither_repeats_the_survey_nor_ends_otherwise(tmp_path: Path) -> None:
    whole = run(given(tmp_path, "window"), folder=tmp_path / "whole")

    class Stopped(Exception):
        """The process is killed."""

    def stop(result: Any) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        run(given(tmp_path, "window"), folder=tmp_path / "cut", on_round=stop)
    kept = load_latest(tmp_path / "cut" / "scale")
    assert kept is not None
    resumed = resume(tmp_path / "cut")
    after = load_latest(tmp_path / "cut" / "scale")
    assert after is not None
    assert digest(after.parameters) == digest(kept.parameters)
    assert resumed.summary["parameter_digest"] == whole.summary["parameter_digest"]
    assert resumed.summary["epsilon"] == pytest.approx(whole.summary["epsilon"])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rays_runtime_finds_the_same_constants_and_ends_with_the_same_parameters(
    tmp_path: Path,
) -> None:
    here = run(given(tmp_path, "window"), folder=tmp_path / "here")
    command = [
        *(sys.executable, "-m", "simulate", "engine=ray", "task=arrays", far_off(tmp_path), *QUICK),
        *(*PLANS["window"], f"hydra.run.dir={tmp_path / 'ray'}"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((tmp_path / "ray" / "summary.json").read_text("utf-8"))
    for constants in ("center", "scale"):
        assert summary["scale"][constants] == pytest.approx(here.summary["scale"][constants])
    assert summary["epsilon"] == pytest.approx(here.summary["epsilon"])
    assert summary["parameter_digest"] == here.summary["parameter_digest"]


@pytest.mark.parametrize(
    "training", ["learning_rate=0.001", "momentum=0.9", "weight_decay=1", "optimizer=adam"]
)
def test_no_value_of_training_bounds_what_a_survey_sends(training: str, tmp_path: Path) -> None:
    asked = ("rounds=1", "training.learning_rate=0.001", f"training.{training}")
    done = run(given(tmp_path, "window", *asked), folder=tmp_path / "run")
    assert done.summary["scale"]["channels_found"] == 3


def test_what_a_survey_finds_is_never_compressed(tmp_path: Path) -> None:
    """A tenth of the votes would say something else."""
    plain, tenth = (
        run(given(tmp_path, "window", f"compression={name}", "rounds=1"), folder=tmp_path / name)
        for name in ("none", "topk")
    )
    assert plain.summary["scale"]["channels_found"] == 3
    for name in ("center", "scale", "epsilon"):
        assert tenth.summary["scale"][name] == plain.summary["scale"][name]
    assert tenth.summary["bytes_up"] < plain.summary["bytes_up"]


@pytest.mark.long
def test_sites_in_processes_of_their_own_find_the_same(tmp_path: Path) -> None:
    asked, engine = ("rounds=1", "sites=2"), "deployment"
    here = run(given(tmp_path, "window", *asked), folder=tmp_path / "here")
    there = run(given(tmp_path, "window", *asked, f"engine={engine}"), folder=tmp_path / "there")
    assert there.summary["engine"] == engine
    assert here.summary["scale"]["channels_found"] > 0
    for name in ("center", "scale", "spend"):
        assert there.summary["scale"][name] == pytest.approx(here.summary["scale"][name])


def test_a_range_of_a_data_sheet_costs_nothing(tmp_path: Path) -> None:
    asked = ["world.scale=public", "world.range=[-1000,6000]", "rounds=1"]
    done = run(given(tmp_path, "window", *asked), folder=tmp_path / "run")
    scale = done.summary["scale"]
    assert (scale["source"], scale["center"], scale["scale"]) == (
        "public", [2500.0] * 3, [1750.0] * 3)  # fmt: skip
    assert scale["spend"] is None


def test_no_older_model_is_judged_by_the_scale_that_a_survey_finds(tmp_path: Path) -> None:
    asked = ("evaluation=federated", "evaluation.every=1", "rounds=1")
    done = run(given(tmp_path, "none", *asked), folder=tmp_path / "run")
    assert [note for note in done.summary["notes"] if "not compared with production" in note]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (["world.scale=guess"], "world.scale=guess"),
        (["world.scale=public"], "world.range=None"),
        (["world.range=[0,1]"], "world.range"),
        (["world.scale=public", "world.range=[1,0]"], "world.range with [1, 0]"),
        (["world.scale=public", "world.range=5"], "world.range=5"),
        (["world.scale=public", "world.range=[0,.inf]"], "world.range with [0, "),
        (["world.scale=public", "world.range=[0,1e39]"], "world.range with [0, 1e+39]"),
        (["world.scale=public", "world.range=[[0,1],[0,2]]"], "world.range with 2 entries"),
        (["scale_epsilon=8"], "scale_epsilon=8"),
        (["scale_epsilon=0"], "scale_epsilon=0"),
    ],
)
def test_what_can_not_be_is_refused_by_name(tmp_path: Path, asked: list[str], named: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(named)):
        run(given(tmp_path, "window", *asked), folder=tmp_path / "run")
    assert not (tmp_path / "run" / "summary.json").exists()
