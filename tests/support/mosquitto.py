"""A real mosquitto for tests: on a free port, with a configuration file; stopped, killed, started.

Use it as ``with Mosquitto(folder) as broker:``, or by a fixture of the module.
"""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.support.ports import free_port, until_it_listens

_PATIENCE = 120.0  # seconds


class Mosquitto:
    """A broker that keeps its sessions in ``folder``, over kills and restarts on the same port.

    ``lines`` are added to its configuration; ``anonymous`` lets in who has no password.
    """

    def __init__(self, folder: Path, lines: Sequence[str] = (), anonymous: bool = True) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("needs the Debian package mosquitto")
        self._program, self.port = program, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._config, self._log = folder / "mosquitto.conf", folder / "mosquitto.log"
        self._config.write_text("\n".join([
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(anonymous).lower()}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "log_dest stderr",
            *lines,
            "",
        ]))  # fmt: skip
        if not any(line.startswith("user ") for line in lines):
            with self._config.open("a") as file:
                file.write("user root\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=log
            )
        until_it_listens(self._process, self.port, self._log, _PATIENCE)

    def stop(self) -> None:
        """Stop it in order: it saves its sessions."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None

    def reload(self) -> None:
        """Let it read its files of rights again; it does so some time later."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Kill it with -9: it has what it saved before."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
