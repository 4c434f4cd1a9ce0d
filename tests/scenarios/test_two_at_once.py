"""Two processes and one outputs folder: the second is told so in one line, and changes nothing."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from simulate import configure, resume, run
from tests.scenarios.test_command_line import refused

QUICK = ("net=logistic", "rounds=2", "sites=2", "privacy=none")
HOLDER = """
import os, sys, time
from pathlib import Path
from simulate.home import Home

with Home(Path(sys.argv[1])).held():
    if (child := os.fork()) == 0:  # as a worker: it ends with its pipe, after its parent
        sys.stdin.read()
        os._exit(0)
    print(child, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A run that an error ended after its first round."""

    def stop(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(configure(*QUICK), folder=tmp_path / "run", on_round=stop)
    return tmp_path / "run"


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works in ``folder``, and a worker of its own that outlives it."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_and_a_killed_one_frees_the_folder(
    interrupted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file()}

    with held(interrupted) as process:
        before, says = files(), f"is in use by another run (process {process.pid})"
        assert says in refused(capsys, monkeypatch, f"resume={interrupted}")
        with pytest.raises(InvalidConfiguration, match="is in use by another run"):
            resume(interrupted)
        assert files() == before
        process.kill()
        process.wait()
        assert len(resume(interrupted).history) == 2  # the worker is still there


def test_a_new_run_is_refused_where_another_one_prepares_itself(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held(folder), pytest.raises(InvalidConfiguration, match="is in use"):
        run(configure(*QUICK), folder=folder)
    assert [path.name for path in folder.iterdir()] == ["run.lock"]


@pytest.mark.parametrize("command", [(), ("audit",), ("egress",)])
def test_a_folder_with_a_run_is_given_to_no_other(
    command: tuple[str, ...],
    interrupted: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = refused(capsys, monkeypatch, *command, f"hydra.run.dir={interrupted}")
    assert "has a run already" in line
