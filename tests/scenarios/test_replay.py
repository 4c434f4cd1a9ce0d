"""``fl-client replay``: a recording through a node's own path."""

import json
from pathlib import Path

import numpy as np
import pytest

from fl_client.__main__ import main
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


def test_a_recording_without_a_channel_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.csv"
    path.write_text("time,acc_x\n1,2\n")
    with pytest.raises(SystemExit):
        main(["replay", str(path), f"home={tmp_path}/site"])
    assert "has no column acc_y" in capsys.readouterr().err
