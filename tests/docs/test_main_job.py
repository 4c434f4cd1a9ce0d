"""The README and ``docs/tutorial.md``, typed into a shell; the figures that they show are read."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

MAKE = f'make() {{ command make -I {ROOT} -f {ROOT}/Makefile -o .venv/.complete "$@"; }}\n'
"""The project's ``make`` in a reader's folder; the environment is complete."""
README = (ROOT / "README.md").read_text("utf-8")
pytestmark = pytest.mark.long


def summaries(reader: Path) -> list[dict[str, Any]]:
    """Of the runs that were typed, in their order: a folder of ``outputs`` is named by the time."""
    return [
        json.loads(path.read_text()) for path in sorted(reader.glob("outputs/*/*/summary.json"))
    ]


def shown(task: str) -> list[Any]:
    """Mean and deviation over seeds in the README's table: without privacy, and with it.

    One seed lies within three deviations.
    """
    figure = r"(\S+) ± (\S+)"
    (row,) = re.findall(rf"^\| `{task}`.*\| {figure} \| {figure} \|$", README, re.MULTILINE)
    plain, of_plain, private, of_private = map(float, row)
    return [pytest.approx(plain, abs=3 * of_plain), pytest.approx(private, abs=3 * of_private)]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder after the tutorial's commands, and what they printed."""
    reader = desk(tmp_path_factory.mktemp("tutorial") / "reader")
    *commands, spent = blocks("docs/tutorial.md")
    typed(MAKE + "".join(commands) + f"{spent.strip()} || test $? = 2\n", reader)
    return reader


def test_the_tutorial_s_run_is_the_readme_s(tutorial: Path) -> None:
    """Without privacy, and with it: the accuracies of the README's table."""
    assert blocks("docs/tutorial.md")[0].split() == ["make", "simulate"]
    private, plain, less = summaries(tutorial)
    assert [plain["accuracy"], private["accuracy"]] == shown("wearables")
    assert [private["epsilon"], less["epsilon"]] == pytest.approx([8, 2], abs=0.01)
    assert less["accuracy"] < private["accuracy"] < plain["accuracy"]
    assert len(list(tutorial.glob("outputs/*/*/report.html"))) == 3


def test_the_readme_s_second_task(tmp_path: Path, shared_data: Path) -> None:
    """Published without DP, by the data set's authors: 0.934."""
    reader = desk(tmp_path / "reader")
    command = f'make simulate ARGS="task=activity data.root={shared_data} %s"\n'
    typed(MAKE + command % "privacy=none rounds=50" + command % "", reader)
    plain, private = summaries(reader)
    assert [plain["accuracy"], private["accuracy"]] == shown("activity")
    assert private["epsilon"] <= 8.0


def test_a_run_out_of_budget_keeps_its_rounds(tutorial: Path) -> None:
    told = (tutorial / "printed.txt").read_text().rpartition("noise multiplier 2,")[2]
    assert "round 5: 0 of 10 sites sent an update" in told
    last = sorted(tutorial.glob("outputs/*/*"))[-1]
    assert not (last / "summary.json").exists()
    assert len((last / "rounds.jsonl").read_text().splitlines()) == 4


def test_the_tutorial_s_model_is_used_as_it_says(
    tutorial: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks("docs/tutorial.md", "python")
    first = min(tutorial.glob("outputs/*/*"))
    monkeypatch.chdir(tutorial)
    exec(replaced(program, ("outputs/<date>/<time>", str(first))), {})
    assert re.fullmatch(r'\["PEN".*\] \[(\d ?){5}\]\n', capsys.readouterr().out)


def table(path: Path) -> None:
    """A table of four machines, as people have it."""
    readings_NC = np.random.default_rng(0).normal(size=(400, 3)).round(3)
    rows = [
        f"m{row % 4},{','.join(map(str, readings))},{'worn' if row % 7 < 3 else 'sound'}"
        for row, readings in enumerate(readings_NC.tolist())
    ]
    path.write_text("\n".join(["machine,volts,amperes,degrees,label", *rows]))


def test_the_readme_s_way_to_own_data(tmp_path: Path) -> None:
    """Its first command is the tutorial's."""
    reader = desk(tmp_path / "reader")
    table(reader / "machines.csv")
    (both,) = blocks("README.md#two-commands")
    (check,) = blocks("README.md#your-own-data")
    first, own = [line.partition("  #")[0].strip() for line in both.splitlines()]
    assert first == "make simulate"
    paste = replaced(f"{check}{own}\n", ("FILE", "machines.csv"), ('.csv"', '.csv rounds=1"'))
    assert "no likely mistake" in typed(MAKE + paste, reader)
    assert [one["sites"] for one in summaries(reader)] == [4]


def test_a_command_of_the_readme(tmp_path: Path) -> None:
    """Where it differs: a round each, on two sites."""
    small = "rounds=1 sites=2"
    commands = replaced(
        "".join(blocks("README.md#change-anything")),
        ("rounds=20", small), ("fedavg", f"fedavg {small}"), ("seed=0,1", f"seed=0,1 {small}"),
    )  # fmt: skip
    reader = desk(tmp_path / "reader")
    assert "epsilon: 8.0" in typed(MAKE + commands, reader)
    assert [one["epsilon"] for one in summaries(reader)] == [pytest.approx(4, abs=0.01), None]
    assert len(list(reader.glob("outputs/*/*/privacy.epsilon=*/report.html"))) == 4
