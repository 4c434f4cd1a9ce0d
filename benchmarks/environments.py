"""Environments of the peers: each in a folder of its own, never the project's."""

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import ProcessFailed, last_words

ROOT = Path(__file__).resolve().parent.parent
WORKSHOP = ROOT / ".bench"
"""Everything that a benchmark makes beside its results; not in git, can be deleted at any time."""


def python_of(peer: str) -> Path:
    """The interpreter of the environment that ``peers/<peer>.txt`` describes, made where absent.

    Raises:
        ProcessFailed: it can't be made; the message is pip's.
    """
    wanted = ROOT / "benchmarks" / "peers" / f"{peer}.txt"
    folder = WORKSHOP / peer
    stamp, python = folder / ".complete", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        log = WORKSHOP / f"{peer}-install.log"
        WORKSHOP.mkdir(exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], log)
        _run([str(python), "-m", "pip", "install", "-r", str(wanted)], log)
        stamp.write_text(wanted.read_text())
    return python


def _run(command: list[str], log: Path) -> None:
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    if done.returncode:
        raise ProcessFailed(f"its environment can't be made: {last_words(log)}")
