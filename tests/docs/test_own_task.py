"""The page's example of a task of one's own, on a simulation, a server and a box alike."""

import re
from pathlib import Path

import numpy as np
import pytest

from fl_client.configuration import read_config as read_node
from fl_common.plugins.build import build
from fl_server.cloud.build import read_config as read_server
from simulate import configure
from simulate.configuration.composition import resolved
from tests.support.shell import blocks
from tests.support.sources import ROOT

PAGE = (ROOT / "docs" / "reference" / "data.md").read_text("utf-8")


def test_the_same_lines_declare_the_task_of_the_worked_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (declaration,) = re.findall(r"^```yaml\n(task:.*?)^```", PAGE, re.M | re.S)
    for name in ("node", "server"):
        (tmp_path / f"my-{name}.yaml").write_text(f"defaults: [{name}, _self_]\n{declaration}")
    box = build(read_node(tmp_path / "my-node.yaml", ())["task"])
    server = build(read_server(tmp_path / "my-server.yaml", ())["task"])

    monkeypatch.chdir(tmp_path)
    exec(blocks("docs/reference/data.md", "python")[0], {"np": np})
    (command,) = re.findall(
        r"^python -m simulate (task=arrays data\.path=bearings\.npz .*?0\.5)$", PAGE, re.M | re.S
    )
    overrides = [word.strip("'") for word in command.replace("\\\n", " ").split()]
    simulated = build(resolved(configure(*overrides))["world"]).task
    assert box == server == simulated
