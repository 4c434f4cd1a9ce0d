"""The page about recordings: its task is one for all three, and its commands are typed."""

import re
from pathlib import Path

import numpy as np
import pytest

from fl_client.configuration import read_config as read_node
from fl_common.plugins.build import build
from fl_server.cloud.build import read_config as read_server
from simulate.world.tables.task_file import read_task
from tests.support.shell import blocks, desk, typed
from tests.support.sources import ROOT

PAGE = "docs/how-to/recordings.md"


def declared(folder: Path) -> Path:
    (task,) = blocks(PAGE, "yaml")
    folder.mkdir(exist_ok=True)
    (folder / "gait.yaml").write_text(task)
    return folder / "gait.yaml"


def test_simulation_server_and_box_share_one_file(tmp_path: Path) -> None:
    task = read_task(str(declared(tmp_path)))
    for name in ("node", "server"):
        (tmp_path / f"my-{name}.yaml").write_text(f"defaults: [{name}, gait, _self_]\n")
    assert build(read_node(tmp_path / "my-node.yaml", ())["task"]) == task
    assert build(read_server(tmp_path / "my-server.yaml", ())["task"]) == task


@pytest.mark.slow
def test_the_page_of_recordings(tmp_path: Path) -> None:
    folder = desk(tmp_path / "reader")
    declared(folder)
    (folder / "recordings").mkdir()
    generator, seconds_N = np.random.default_rng(0), np.arange(3000) / 50
    for person in ("ann", "bob"):
        readings = generator.normal(size=(3000, 3)).round(3)
        rows = [
            f"{time:.2f},{','.join(map(str, values))},{'still' if time % 20 < 10 else 'walk'}"
            for time, values in zip(seconds_N.tolist(), readings.tolist(), strict=True)
        ]
        path = folder / "recordings" / f"{person}.csv"
        path.write_text("\n".join(["time,ax,ay,az,label", *rows]))
    (folder / "intervals.csv").write_text("from,to,label\n0,9,still\n10,19,walk\n")
    cut, with_intervals, train = map(str.strip, blocks("docs/how-to/recordings.md"))
    (check,) = re.findall(r"`(fl-simulate check [^`]+)`", (ROOT / PAGE).read_text("utf-8"))
    commands = [cut, f"{check} || test $? = 1", f"{train} rounds=1 net=logistic privacy=none"]
    shown = typed("\n".join([*commands, with_intervals]), folder)
    assert shown.count("times       time in s of its own") == 2
    assert "\nax  " in shown
    assert "gait, logistic: 2 sites" in shown
