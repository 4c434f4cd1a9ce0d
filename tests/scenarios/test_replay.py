"""``fl-client replay``: a recording through a node's own path."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from fl_client.__main__ import main
from fl_common.plugins.build import build
from models import tasks
from tests.support.nodes import PERIOD, START, expected_starts, place_model

ROWS = 1600  # a hundred messages of the watch


def recording(folder: Path, rows: int = ROWS, end: str = "") -> Path:
    """A recording with two labels, half each."""
    channels = tasks.wearables().channels
    values = np.sin(np.arange(rows)[:, None] * np.arange(1, 7) / 50)
    lines = [
        ",".join([str(START + n * PERIOD), *map(str, values[n]), "ABD" if n * 2 < rows else "ROW"])
        for n in range(rows)
    ]
    path = folder / "recording.csv"
    path.write_text("\n".join([",".join(["time", *channels, "label"]), *lines]) + "\n" + end)
    return path


def test_a_recording_gives_what_the_node_would_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out = tmp_path / "site", tmp_path / "out.jsonl"
    place_model(home)
    main(["replay", str(recording(tmp_path)), "--out", str(out), f"home={home}"])
    shown = " ".join(capsys.readouterr().out.split())
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["start_ns"] for line in lines if "start_ns" in line} == expected_starts(100)
    assert [line["kind"] for line in lines if "function" in line] == ["label-change"]
    assert "1,600" in shown
    assert "of 22 labelled windows" in shown
    assert not (home / "site.sqlite").exists()


def test_rows_of_several_streams_make_windows_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out, path = tmp_path / "site", tmp_path / "out.jsonl", recording(tmp_path)
    place_model(home)
    heading, *rows = path.read_text().splitlines()
    both = [f"{row},{stream}" for row in rows for stream in ("press", "mill")]
    path.write_text("\n".join([f"{heading},stream", *both]) + "\n")
    main(["replay", str(path), "--out", str(out), f"home={home}"])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    for stream in ("press", "mill"):
        own = {one["start_ns"] for one in lines if one["stream"] == stream and "start_ns" in one}
        assert own == expected_starts(100)
    assert [one["stream"] for one in lines if "function" in one].count("mill") == 1
    assert "of 44 labelled windows" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("end", ["1,2\n", "soon,1,1,1,1,1,1,ABD\n", f"{10**30},1,1,1,1,1,1,ABD\n"])
def test_a_line_that_is_no_reading_is_named(
    tmp_path: Path, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "site"
    place_model(home)
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(recording(tmp_path, 100, end)), f"home={home}"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "recording.csv, from line 102: " in line


def as_in_europe(text: str) -> bytes:
    """As a spreadsheet writes it there: with a byte-order mark, semicolons and decimal commas."""
    return text.replace(",", ";").replace(".", ",").replace("\n", "\r\n").encode("utf-8-sig")


@pytest.mark.parametrize(
    "written",
    [
        as_in_europe,
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("ABD", '"ABD"').replace("time", '"time"').encode(),
        lambda text: (text + "\n" * 60).encode(),
    ],
)
def test_what_spreadsheets_write_gives_the_same(
    tmp_path: Path, written: Callable[[str], bytes]
) -> None:
    place_model(tmp_path / "site")
    file, found = recording(tmp_path), []
    for content in (file.read_bytes(), written(file.read_text())):
        file.write_bytes(content)
        out = tmp_path / "out.jsonl"
        main(["replay", str(file), "--out", str(out), f"home={tmp_path}/site"])
        found.append(out.read_text())
    assert found[0] == found[1] != ""


FIRST = ",".join([str(START + 100 * PERIOD), *"123456", "ABD"])


def test_a_recording_may_tell_numbers_and_one_beyond_the_range_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, box = recording(tmp_path), tmp_path / "box.yaml"
    file.write_text(file.read_text().replace("ABD", "12.5").replace("ROW", "49"))
    numbers = {**tasks.wearables().to_fields(), "labels": [], "kind": "regression"}
    task = {"_target_": "models.tasks.declared", **numbers, "range": [0, 50]}
    defaults = ["node", {"override functions": "none"}, "_self_"]
    OmegaConf.save(OmegaConf.create({"defaults": defaults, "task": task}), box)
    place_model(tmp_path / "site", task=build(task))
    words = ["replay", str(file), "--config", str(box), f"home={tmp_path}/site"]
    main(words)
    assert "of which 24 labelled" in " ".join(capsys.readouterr().out.split())
    file.write_text(file.read_text().replace(",49\n", ",50.5\n"))
    with pytest.raises(SystemExit):
        main(words)
    assert "has the label '50.5', which must be a number from 0 to 50" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ABD", "ABBD", "has the label 'ABBD', which must be one of PEN, ABD"),
        (",2,", ",1_000,", "'1_000' is no number"),
        (",2,", ",inf,", "'inf' is no number"),
        (",2,", ',"2,5",', "'2,5' is no number"),
        (
            str(START + 100 * PERIOD),
            str(START // 10**6),
            "is in ms, not in ns: multiply it by 1_000",
        ),
        (str(START + 100 * PERIOD), str(START // 10**9), "is in seconds, not in ns"),
        (str(START + 100 * PERIOD), "1_700", "time '1_700' is no whole number"),
        (str(START + 100 * PERIOD), "5", "time 5 lies outside 2001"),
        (",6,", ",", "not a reading"),
    ],
)
def test_what_can_only_be_guessed_is_told_and_nothing_is_written(
    tmp_path: Path, old: str, new: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place_model(tmp_path / "site")
    file = recording(tmp_path, 100, FIRST.replace(old, new, 1) + "\n")
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(file), "--out", f"{tmp_path}/out", f"home={tmp_path}/site"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "recording.csv, from line 102: " in line
    assert says in line
    assert not (tmp_path / "out").exists()


def test_a_recording_that_gives_no_window_says_what_one_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place_model(tmp_path / "site")
    main(["replay", str(recording(tmp_path, 40)), f"home={tmp_path}/site"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "none: one takes 2.56 s of readings of every channel, about 50 a second" in shown


def test_a_recording_without_a_channel_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.csv"
    path.write_text("time,acc_x\n1,2\n")
    with pytest.raises(SystemExit):
        main(["replay", str(path), f"home={tmp_path}/site"])
    assert "has no column acc_y" in capsys.readouterr().err
