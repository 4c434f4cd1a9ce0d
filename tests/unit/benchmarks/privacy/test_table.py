"""The pages of the privacy table: what is measured, kept, and written."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.measuring.journal import Journal
from benchmarks.measuring.machine import Facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy import table as privacy_table
from benchmarks.privacy.page import to_markdown
from benchmarks.privacy.results import (
    Check,
    Cost,
    Level,
    Measured,
    Promise,
    Published,
    RateTrial,
    Trial,
    read_measured,
    write_measured,
)
from benchmarks.privacy.runs import trial
from benchmarks.privacy.table import LIMITS, SEEDS, measure_costs, measure_levels

PROMISE = Promise(8.0, 7.996, 18.85, 1e-5, 4.939, 1.0, 1.0, 2, "RDP (named)")
MACHINE: Facts = {
    "processor": "p",
    "cores": 2,
    "torch": "2",
    "commit": "abc",
    "load_at_start": 0.1,
    "data": "archive.zip",
}
COST = Cost("a", "2 steps", ("with", "without"), (1.2, 9.9, 1.3), (1.0, 1.1, 0.1), MACHINE)
CHECK = Check("mnist", Published("Opacus", 0.9463, 0.0034, 10, 1.19), ())


def level(limit: float | None, *accuracies: float) -> Level:
    promise = None if limit is None else replace(PROMISE, limit=limit)
    trials = [Trial(seed, 30, share, 9.0, promise) for seed, share in enumerate(accuracies)]
    return Level(f"simulate epsilon={limit}", tuple(trials), MACHINE)


def check(*accuracies: float) -> Check:
    promise = replace(PROMISE, sampling_rate=1 / 240, steps=240)
    trials = [Trial(seed, 15, share, 99.0, promise) for seed, share in enumerate(accuracies)]
    return replace(CHECK, trials=tuple(trials))


def cells(page: str, first: str) -> list[str]:
    """The cells of the line of ``page`` whose first one is ``first``."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_more_sites_are_shown_beside_one(tmp_path: Path) -> None:
    promise = replace(PROMISE, limit=2.93, epsilon=2.929, sampling_rate=1 / 15, steps=15)
    trials = [Trial(seed, 40, share, 99.0, promise) for seed, share in enumerate((0.985, 0.983))]
    images = (Level("one", tuple(trials), MACHINE), Level("ten", tuple(trials[:1]), MACHINE))
    path = tmp_path / "kept.json"
    tried = [RateTrial(10, 6.0, 0.9776, 1, "abc")]
    write_measured(path, Measured().with_images(images).with_rates(tried))
    page = to_markdown(read_measured(path))
    assert cells(page, "10") == ["10", "6", "97.76%"]
    assert cells(page, "`one`") == [
        *("`one`", "**98.40%**", "0.14", "2", "-0.30", "2.93 at delta 1e-05", "4.94"),
        *("600, rate 1/15", "99"),
    ]
    assert cells(page, "`ten`")[1:5] == ["**98.50%**", "-", "1", "-0.20"]


def test_a_level_shows_its_seeds_and_what_was_promised() -> None:
    page = to_markdown(Measured((level(8.0, 0.92, 0.90, 0.91),)))
    assert cells(page, "8") == [
        *("8", "**0.910**", "0.010", "0.900", "0.920", "0.90, reached"),
        *("8.00", "18.85", "4.94", "30 x 2", "9"),
    ]
    assert "RDP (named)" in page
    assert "delta of 1e-05" in page
    assert "simulate epsilon=8.0" in page
    assert "Data: archive.zip." in page
    assert "commit abc, load at start 0.1" in page


def test_a_figure_is_held_against_the_mean_alone() -> None:
    levels = (level(8.0, 0.95, 0.80, 0.95), level(4.0, 0.70, 0.98, 0.97), level(2.0, 0.86))
    page = to_markdown(Measured(levels))
    verdicts = [cells(page, first)[5] for first in ("8", "4", "2")]
    assert verdicts == ["0.90, reached", "0.88, reached", "0.85, reached"]
    missed = to_markdown(Measured((level(8.0, 0.95, 0.79, 0.95),)))
    assert cells(missed, "8")[5] == "0.90, missed"


def test_without_dp_no_epsilon_is_shown() -> None:
    page = to_markdown(Measured((level(None, 0.94), level(1.0, 0.88))))
    assert cells(page, "no DP")[5:10] == ["-", "none", "none", "none", "30 x one pass"]
    assert cells(page, "1")[5] == "-"


def test_the_cost_is_the_ratio_of_medians() -> None:
    page = to_markdown(Measured(costs=(COST, replace(COST, name="b", plain_s=(0.9, 0.9, 1.0)))))
    assert cells(page, "`a`")[2:] == [
        "1.300 (1.200 to 9.900)",
        "1.000 (0.100 to 1.100)",
        "**1.30**",
        "reached",
    ]
    assert cells(page, "`b`")[4:] == ["**1.44**", "missed"]


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(0.9463, "within"), (0.9414, "within"), (0.9412, "not within"), (0.97, "within")],
)
def test_less_than_half_a_point_below_the_published_accuracy(accuracy: float, verdict: str) -> None:
    page = to_markdown(Measured(check=check(accuracy, accuracy)))
    assert f": {verdict} 0.5 points" in page
    assert cells(page, "1")[1:3] == [f"{accuracy:.2%}", "7.996 at delta 1e-05"]
    assert "3600, rate 1/240" in page


def test_what_was_measured_is_kept_part_by_part(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    assert read_measured(path) == Measured()
    levels = [level(None, 0.94, 0.93), level(8.0, 0.91)]
    for measured in (
        Measured().with_levels(levels),
        Measured().with_costs([COST]).with_check(check(0.94)).with_levels(levels),
    ):
        write_measured(path, measured)
        assert read_measured(path) == measured
    assert read_measured(path).with_levels([]).costs == (COST,)


class Runs:
    """Stands for the runs themselves: remembers what was asked."""

    def __init__(self, seconds: list[float]) -> None:
        self.asked: list[list[str]] = []
        self._seconds = seconds

    def trial(self, overrides: list[str], *_: object) -> Trial:
        self.asked.append(overrides)
        return Trial(len(self.asked), 30, 0.9, 9.0, PROMISE)

    def run(self, overrides: list[str], *_: object) -> tuple[dict[str, Any], float]:
        self.asked.append(overrides)
        rounds = [100.0, self._seconds.pop(0), 0.0]
        return {"seconds": {"rounds": rounds}}, 9.0


@pytest.fixture(autouse=True)
def journals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where series that were cut off are kept in this test."""
    monkeypatch.setattr(privacy_table, "FOLDER", tmp_path / "journals")
    return tmp_path / "journals"


def test_a_table_that_was_cut_off_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, journals: Path
) -> None:
    runs, whole = Runs([]), SEEDS * (1 + len(LIMITS))

    def cut_off(asked: list[str], *_: object) -> Trial:
        if len(runs.asked) == 4:
            raise ProcessFailed("power cut")
        return runs.trial(asked)

    monkeypatch.setattr(privacy_table, "data_facts", lambda data: "archive.zip")
    monkeypatch.setattr(privacy_table, "trial", cut_off)
    with pytest.raises(ProcessFailed):
        measure_levels(None)
    assert (journals / "privacy-table.json").exists()
    monkeypatch.setattr(privacy_table, "trial", runs.trial)
    levels = measure_levels(None)
    assert len(runs.asked) == len({tuple(asked) for asked in runs.asked}) == whole
    assert levels[0].trials[0] == Trial(1, 30, 0.9, 9.0, PROMISE)
    assert not list(journals.iterdir()), "a table that is whole starts anew"


def test_measurements_of_other_code_are_dropped(journals: Path) -> None:
    for commit, expected in (("one", 1), ("one", 1), ("two", 2)):
        journal = Journal(journals / "kept.json", commit, 1, Console(quiet=True))
        with contextlib.suppress(ZeroDivisionError), journal.series():
            assert journal.measure("a", iter((expected,)).__next__) == expected
            raise ZeroDivisionError


def test_every_level_is_run_with_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs([])
    monkeypatch.setattr(privacy_table, "trial", runs.trial)
    monkeypatch.setattr(privacy_table, "data_facts", lambda data: "archive.zip")
    levels = measure_levels(None)
    assert [len(level.trials) for level in levels] == [SEEDS] * (1 + len(LIMITS))
    assert len({tuple(asked) for asked in runs.asked}) == SEEDS * (1 + len(LIMITS))
    assert [a for a in runs.asked if "privacy.epsilon=2" in a][1] == [
        *("experiment=har_private", "privacy.epsilon=2", "seed=1")
    ]


def test_runs_with_dp_and_without_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs([1.0, 2.0] * 10)
    monkeypatch.setattr(privacy_table, "run", runs.run)
    costs = measure_costs(None)
    assert [(set(cost.private_s), set(cost.plain_s)) for cost in costs] == [({1.0}, {2.0})] * 2
    assert ["privacy=none" in asked for asked in runs.asked] == [False, True] * 10


def test_a_run_that_fails_leaves_the_page_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Trial:
        raise ProcessFailed("exit status 2: no archive there")

    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    write_measured(kept, Measured((level(8.0, 0.9),)))
    monkeypatch.setattr(privacy_table, "KEPT", kept)
    monkeypatch.setattr(privacy_table, "PAGE", page)
    monkeypatch.setattr(privacy_table, "trial", fails)
    monkeypatch.setattr(privacy_table, "data_facts", lambda data: "archive.zip")
    monkeypatch.setattr("sys.argv", ["privacy_table"])
    with pytest.raises(SystemExit, match="no archive there"):
        privacy_table.main()
    assert read_measured(kept).levels
    assert not page.exists()


@pytest.mark.slow
def test_a_trial_is_a_run_of_the_command_line(shared_data: Path) -> None:
    asked = ["experiment=har_private", "privacy.epsilon=2", "sites=3", "rounds=2", "seed=1"]
    done = trial(asked, shared_data, 120.0)
    assert (done.seed, done.rounds) == (1, 2)
    assert done.promise is not None
    assert 1.99 < done.promise.epsilon <= 2.0
    # Two windows together: by group privacy of any mechanism at least twice as much.
    assert 4 < done.promise.epsilon_reading < 6
    assert done.promise.steps == 2


@pytest.mark.slow
def test_a_run_that_cannot_be_is_told_in_its_own_words(shared_data: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"sites=99.*at most 21"):
        trial(["experiment=har_private", "sites=99"], shared_data, 120.0)
