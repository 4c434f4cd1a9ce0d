"""``fl-server`` as a process, and a site's key from it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.deploy.overhead import free_port, until
from benchmarks.measuring.environments import ROOT
from fl_server.cloud import commands
from fl_server.cloud.build import read_config


class Server:
    """A running server in the folder ``home``, configured by ``overrides``."""

    def __init__(self, home: Path, overrides: Sequence[str]) -> None:
        self.home = home
        self.overrides = [
            f"home={home}", "hosts=[localhost]", f"listen=127.0.0.1:{free_port()}",
            f"superlink_port={free_port()}",
            "privacy.site_windows=350", *overrides,
        ]  # fmt: skip

    def enroll(self, site: str) -> dict[str, str]:
        """The three settings of a new site, by name."""
        lines = commands.enroll(read_config(None, self.overrides), site, "site", None)
        return dict(line.removeprefix("federation.").split("=", 1) for line in lines)

    def runner(self) -> int | None:
        """The process number of the ServerApp, while it runs."""
        status: dict[str, Any] = json.loads((self.home / "server.json").read_text())
        pid: int | None = status["children"]["runner"]["pid"]
        return pid


@contextmanager
def serving(home: Path, *overrides: str) -> Iterator[Server]:
    """A server that has reported that it is ready."""
    server = Server(home, overrides)
    command = [sys.executable, "-m", "fl_server", "start", *server.overrides]
    log = home.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
    try:
        until(lambda: "ready: sites reach" in log.read_text())
        yield server
    finally:
        process.terminate()
        process.wait()
