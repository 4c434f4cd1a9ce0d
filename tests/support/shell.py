"""Blocks of a page's commands, typed into a shell as a reader pastes them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.mosquitto_clients import install
from tests.support.sources import ROOT

SECONDS = 280.0


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of ``kind`` in ``docs/how-to/PAGE.md``."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def indented(page: str) -> list[list[str]]:
    """The lines of each indented block of commands in ``docs/how-to/PAGE.md``, without comments."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8")
    found = re.findall(r"(?:^|\n\n)((?: {4}(?:fl-\w+|python) .*(?:\n|$))+)", text)
    return [[line.partition(" #")[0].strip() for line in one.splitlines()] for one in found]


def desk(folder: Path, broker_port: int | None = None) -> Path:
    """``folder`` as the project's folder of a reader: ``.venv``, and the broker's port."""
    folder.mkdir(exist_ok=True)
    (folder / ".venv").symlink_to(sys.prefix)
    if broker_port is not None:
        if shutil.which("mosquitto_pub") is None:
            install(folder / "bin", broker_port)
        for program in ("mosquitto_pub", "mosquitto_sub"):  # read where a shell's user would
            (folder / program).write_text(f"-p {broker_port}\n")
    return folder


def typed(text: str, folder: Path, **variables: str) -> str:
    """Paste ``text`` into one bash in ``folder``; what it printed, errors too.

    It ends at the first command that fails. What is left running in the background is killed.
    """
    printed = folder / "printed.txt"
    programs = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {name: os.environ[name] for name in ("FLWR_HOME", "HOME") if name in os.environ}
    with printed.open("ab") as output:
        shell = subprocess.Popen(
            [shutil.which("bash") or "bash", "-e"],
            cwd=folder,
            env={"PATH": programs, "XDG_CONFIG_HOME": str(folder), **own, **variables},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            shell.communicate(text.encode(), timeout=SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    told = printed.read_text("utf-8", errors="replace")
    assert shell.returncode == 0, told
    return told
