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

SECONDS = 560.0

CONTAINERS = "needs a container engine and root: tests/containers, tests/arm64"
EXCEPTIONS = {
    "make setup": "needs a package index: tests/packaging",
    "pip download": "needs a package index",
    "curl -O https": "needs a network",
    "make privacy-table": "takes half an hour; the commands that it lists are typed",
    "make images": CONTAINERS,
    "make up": CONTAINERS,
    "make down": CONTAINERS,
    "alias stack": CONTAINERS,
    "stack ": CONTAINERS,
    "sudo ": "needs root and a network",
}
"""How commands of ``docs/`` begin that no test types, and why: there are no others."""

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PIECES = re.compile(r"(^```.*?^```$|^#+ [^\n]*$)", re.DOTALL | re.MULTILINE)


def anchor(heading: str) -> str:
    """What a link to the part of a page under ``heading`` ends with."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def fenced(page: str, kind: str) -> list[tuple[str, str]]:
    """A page's blocks of ``kind``, each with the anchor of the part that it is in."""
    found, part = [], ""
    for piece in PIECES.findall((ROOT / page).read_text("utf-8")):
        if piece.startswith("#"):
            part = anchor(piece.lstrip("# "))
        elif (block := FENCED.match(piece)) and block[1] == kind:
            found.append((part, block[2]))
    return found


def typeable(block: str) -> str:
    """A block of commands without those of ``EXCEPTIONS``."""
    lines = re.findall(r"(?:.*\\\n)*.*\n", block)
    return "".join(line for line in lines if not line.startswith(tuple(EXCEPTIONS)))


def blocks(where: str, kind: str = "sh") -> list[str]:
    """The blocks of ``PAGE``, or of ``PAGE#part``. Who asks for commands types them, every one.

    ``tests/docs/test_commands.py`` reads from the source which tests ask for which.
    """
    page, _, part = where.partition("#")
    found = [text for place, text in fenced(page, kind) if part in ("", place)]
    found = [text for text in map(typeable, found) if text] if kind == "sh" else found
    assert found, f"{where} has no block of {kind}"
    return found


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """``text`` with what a test types instead; it must have what the test would replace."""
    for shown, typed_here in changes:
        assert shown in text, f"the page has no {shown!r}"
        text = text.replace(shown, typed_here)
    return text


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


def typed(text: str, folder: Path, seconds: float = SECONDS, **variables: str) -> str:
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
            shell.communicate(text.encode(), timeout=seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    told = printed.read_text("utf-8", errors="replace")
    assert shell.returncode == 0, told
    return told
