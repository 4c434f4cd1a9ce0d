"""``fl-simulate baselines``: the ways are one code on one data set, and what has ended stays."""

import json
import shlex
import sys
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jsonschema
import numpy as np
import pytest

from simulate import configure, run
from simulate.__main__ import main
from simulate.baselines.progress import LocalProgress
from simulate.report.frame import LIBRARY
from simulate.world import arrays
from simulate.world.tables.opened import open_table
from tests.support.kind_data import kind_data

SCHEMA = json.loads(files("simulate.baselines").joinpath("baselines.schema.json").read_text())
OTHERS = ("regression", "multilabel", "sequence", "forecast", "anomaly")
QUICK = ["task=arrays", "net=logistic", "rounds=3", "training.batch_size=8"]


def data(path: Path, sites: int) -> Path:
    """Windows of ``sites`` machines; the first are the same for any number."""
    draws = [np.random.default_rng(site) for site in range(sites)]
    x = np.concatenate([draw.normal(size=(40, 3)) for draw in draws])
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    y[:2] = 0, 1
    np.savez(path, x=x, y=y, site=np.repeat(np.arange(sites), 40))
    return path


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str, what: str = "baselines") -> int:
    """The exit status of ``fl-simulate``, of baselines or another command, in this process."""
    monkeypatch.setattr(sys, "argv", ["simulate", what, *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "baselines.json").read_text("utf-8"))
    return found


@pytest.mark.slow
def test_a_site_alone_is_a_run_with_that_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two, one = data(tmp_path / "two.npz", 2), data(tmp_path / "one.npz", 1)
    folder = tmp_path / "ways"
    options = [*QUICK, "privacy=none", f"data.path={two}", f"hydra.run.dir={folder}"]
    opened = Mock(side_effect=open_table)
    monkeypatch.setattr(arrays, "open_table", opened)
    assert ended(monkeypatch, *options) == 0
    opened.assert_called_once_with(two)
    answer = capsys.readouterr().out.strip().splitlines()[-1]
    found = record(folder)
    jsonschema.validate(found, SCHEMA)
    assert answer == found["answer"]
    page = (folder / "report.html").read_text("utf-8")
    assert escape(found["answer"]) in page
    assert f'src="{LIBRARY}"' in page
    assert (folder / LIBRARY).is_file()
    alone = run(configure(*QUICK, "privacy=none", f"data.path={one}"), folder=tmp_path / "alone")
    (share,) = alone.summary["accuracy_of_group"].values()
    assert found["ways"]["local-only"]["value_of_site"]["0"] == share
    first, _ = (folder / "local-only" / "sites.jsonl").read_text("utf-8").splitlines()
    assert json.loads(first)["digest"] == alone.summary["parameter_digest"]
    federated = json.loads((folder / "federated" / "summary.json").read_text("utf-8"))
    ways = found["ways"]
    assert ways["federated"]["value_of_site"] == federated["accuracy_of_group"]
    assert {way["gradients"] for way in ways.values()} == {3 * 2 * 32}


@pytest.mark.slow
def test_what_has_ended_is_not_done_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interrupted while the second of two parts of the sites trains, under DP."""
    path, whole, folder = data(tmp_path / "d.npz", 3), tmp_path / "whole", tmp_path / "cut"
    options = [*QUICK, f"data.path={path}"]
    monkeypatch.setattr("simulate.baselines.local._MOST_SITES", 2)
    assert ended(monkeypatch, *options, f"hydra.run.dir={whole}") == 0
    assert "for sites 1 to 2 of 3" in capsys.readouterr().out
    told, seen = LocalProgress.__call__, list[tuple[int, ...]]()

    def interrupt(progress: LocalProgress, *about: int) -> None:
        told(progress, *about)
        seen.append(about)
        if about == (2, 1, 2):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalProgress, "__call__", interrupt)
        assert ended(patch, *options, f"hydra.run.dir={folder}") == 130
    words = capsys.readouterr().err.strip().partition("continue with baselines ")[2]
    elsewhere = path.rename(tmp_path / "elsewhere.npz")
    again = [*shlex.split(words.removesuffix(".")), f"data.path={elsewhere}"]
    assert ended(monkeypatch, *again) == 0
    shown = capsys.readouterr().out
    assert shown.count("finished before: ") == 2
    assert "for sites 1 to 2 of 3" not in shown
    assert record(folder) == record(whole)
    assert record(folder)["ways"]["local-only"]["epsilon"] == pytest.approx(8, abs=0.01)
    assert ended(monkeypatch, *again, "seed=1") == 2
    assert "seed" in capsys.readouterr().err


@pytest.mark.slow
def test_sites_alone_have_no_dp_for_whole_sites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = data(tmp_path / "d.npz", 4), tmp_path / "ways"
    whole = ["privacy=site", "privacy.participation=1.0", f"data.path={path}"]
    assert ended(monkeypatch, *QUICK, *whole, f"hydra.run.dir={folder}") == 0
    ways = record(folder)["ways"]
    assert ways["federated"]["epsilon"] == pytest.approx(8, abs=0.01)
    assert ways["local-only"]["epsilon"] is ways["centralised"]["epsilon"] is None
    assert "trained without DP" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("wrong", ["sites=1", "engine=ray", "baselines.test_windows=0"])
def test_what_has_no_baselines_is_refused(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ways"
    assert ended(monkeypatch, "rounds=1", wrong, f"hydra.run.dir={folder}") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("what", ["baselines", "audit", "egress"])
def test_a_survey_that_would_be_left_out_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["task=arrays", f"data.path={data(tmp_path / 'two.npz', 2)}", "world.scale=private"]
    folder = f"hydra.run.dir={tmp_path / 'ways'}"
    assert ended(monkeypatch, *options, folder, what=what) == 2
    assert "world.scale=private: can't be used for" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rule"),
    [*((kind, "column") for kind in OTHERS), ("quantile", "rule"), ("anomaly", "rule")],
)
def test_each_kind_is_judged_by_its_own_measure(
    kind: str,
    rule: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the sites' own windows, or by their mix where a rule makes the sites."""
    options = [*kind_data(kind, tmp_path), "rounds=2", "privacy=none", "training.batch_size=16"]
    if rule == "rule":
        options += ["data.site=none", "partition=shards", "sites=4"]
    folder = tmp_path / "ways"
    assert ended(monkeypatch, *options, f"hydra.run.dir={folder}") == 0
    found = record(folder)
    jsonschema.validate(found, SCHEMA)
    federated = json.loads((folder / "federated" / "summary.json").read_text("utf-8"))
    measure, ways = found["measure"], found["ways"]
    assert measure["name"] == next(iter(federated["measures"]))
    assert all(np.isfinite([*way["value_of_site"].values()]).all() for way in ways.values())
    if rule == "column":
        assert ways["federated"]["value_of_site"] == pytest.approx(
            federated["measure_of_group"] or federated["accuracy_of_group"]
        )
    worst = min if measure["higher_is_better"] else max
    for way in ways.values():
        assert way["worst_tenth"] == worst(way["value_of_site"].values())
    shown = " ".join(capsys.readouterr().out.split())
    assert found["answer"] in shown
    assert f"{measure['title'][0].upper()}{measure['title'][1:]} mean over sites" in shown


@pytest.mark.slow
def test_scores_of_sites_without_anomalies_are_judged_by_their_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four sites know of none; the measure that all can tell decides, and it is said."""
    options = kind_data("anomaly", tmp_path)
    path = tmp_path / "anomaly.npz"
    with np.load(path) as arrays:
        x, y, site = arrays["x"], arrays["y"], arrays["site"]
    np.savez(path, x=x, y=np.where(site == 0, y, 0), site=site)
    folder = tmp_path / "ways"
    more = ("rounds=1", "privacy=none", f"hydra.run.dir={folder}")
    assert ended(monkeypatch, *options, *more) == 0
    found = record(folder)
    assert found["measure"]["name"] == "score_error"
    assert found["left_out"] == 0
    assert "AUROC: not told by the unseen windows of 3 sites" in found["notes"]
