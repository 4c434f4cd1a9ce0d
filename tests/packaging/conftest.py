"""The project as a wheel, and fresh environments that it is installed into."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sources import ROOT

Install = Callable[[str], Path]
"""Installs the wheel with an extra (such as "[server]", or "") and gives the environment."""


def run(*command: str | Path) -> str:
    """What a command printed that must succeed."""
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as a person builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def install(tmp_path: Path, wheel: Path) -> Install:
    """Into an environment of its own, of the pinned packages."""

    def installed(extra: str) -> Path:
        environment = tmp_path / "environment"
        run(sys.executable, "-m", "venv", environment)
        pip = (environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile")
        run(*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}{extra}")
        return environment

    return installed
