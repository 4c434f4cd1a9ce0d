"""Environments of the peers and judges: each in its own folder, never the project's."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.measure import ProcessFailed, last_words
from fl_common.files.whole import locked

ROOT = Path(__file__).resolve().parents[2]
WORKSHOP = ROOT / ".bench"
"""Everything that a benchmark makes besides its results; not in git, can be deleted at any time."""

_LONGEST_INSTALL_S = 280.0


def python_of(peer: str) -> Path:
    """The interpreter of the environment that ``peers/<peer>.txt`` describes, made where absent.

    Raises:
        ProcessFailed: it can't be made; the message is pip's.
    """
    return _environment(ROOT / "benchmarks" / "peers" / f"{peer}.txt", ())


def judge_python(judge: str) -> Path:
    """The same for ``judges/<judge>.txt``, which names every package: no dependency is followed.

    Raises:
        ProcessFailed: it can't be made; the message is pip's.
    """
    wanted = ROOT / "benchmarks" / "judges" / f"{judge}.txt"
    WORKSHOP.mkdir(exist_ok=True)
    with locked(WORKSHOP / f"{judge}.lock", _LONGEST_INSTALL_S):  # tests run beside each other
        return _environment(wanted, ("--no-deps", "--retries", "1"))


def _environment(wanted: Path, options: Sequence[str]) -> Path:
    folder = WORKSHOP / wanted.stem
    stamp, python = folder / ".complete", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        log = WORKSHOP / f"{wanted.stem}-install.log"
        WORKSHOP.mkdir(exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], log)
        _run([str(python), "-m", "pip", "install", *options, "-r", str(wanted)], log)
        stamp.write_text(wanted.read_text())
    return python


def _run(command: list[str], log: Path) -> None:
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    if done.returncode:
        raise ProcessFailed(f"its environment can't be made: {last_words(log)}")
