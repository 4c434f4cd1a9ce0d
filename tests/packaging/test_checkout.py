"""What the repository must not have: what a run or a test left behind, and private keys."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_MAY_BE_EMPTY = {"__init__.py", "py.typed"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that git tracks."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a checkout by git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_is_empty(tracked: list[Path]) -> None:
    empty = [path for path in tracked if path.is_file() and not path.stat().st_size]
    assert [str(path) for path in empty if path.name not in _MAY_BE_EMPTY] == []


def test_no_file_is_a_private_key(tracked: list[Path]) -> None:
    keys = [path for path in tracked if path.is_file() and b"-BEGIN " in path.read_bytes()[:100]]
    assert [str(path) for path in keys] == []
