"""Every command in the README does what it says: they are read from it and run."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.sources import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
TYPED = [
    pytest.param(
        command, id=" ".join(command), marks=[] if "--cfg" in command else pytest.mark.slow
    )
    for command in COMMANDS
]
SMALL = ["rounds=1", "sites=2"]


def test_the_readme_has_commands() -> None:
    assert ["make", "simulate"] in COMMANDS
    assert ["make", "simulate", "ARGS=task=arrays data.path=FILE"] in COMMANDS
    _run(["make", "--dry-run", "test"])


def table(folder: Path) -> str:
    """A table of four machines, as people have it."""
    readings_NC = np.random.default_rng(0).normal(size=(400, 3)).round(3)
    rows = [
        f"m{row % 4},{','.join(map(str, readings))},{'worn' if row % 7 < 3 else 'sound'}"
        for row, readings in enumerate(readings_NC.tolist())
    ]
    path = folder / "machines.csv"
    path.write_text("\n".join(["machine,volts,amperes,degrees,label", *rows]))
    return str(path)


@pytest.mark.parametrize("command", TYPED)
def test_a_command_of_the_readme(command: list[str], tmp_path: Path) -> None:
    if any("FILE" in word for word in command):
        path = table(tmp_path)
        command = [word.replace("FILE", path) for word in command]
    if "check" in command:
        assert "no likely mistake" in _run(command)
        return
    if command[0] == "make":
        _run(["make", "--dry-run", *command[1:]])  # the target exists
        arguments = [a.removeprefix("ARGS=") for a in command[2:]]
        command = [".venv/bin/python", "-m", "simulate", *shlex.split(" ".join(arguments))]
    if command[1:] == ["-m", "simulate"] or "--cfg" not in command:
        folder = f"hydra.{'sweep' if '--multirun' in command else 'run'}.dir={tmp_path}"
        command = [*command, *SMALL, folder]
    ended = _run(command)
    if "--cfg" in command:
        assert "epsilon: 8.0" in ended
    else:
        assert list(tmp_path.rglob("report.html"))


def _run(command: list[str]) -> str:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
