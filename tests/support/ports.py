"""Ports of this machine: a free one, and the wait for a server that is to listen on one."""

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """A port that nothing listens on at present."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until_it_listens(
    process: subprocess.Popen[bytes], port: int, log: Path, patience_s: float
) -> None:
    """Wait until ``process`` listens on ``port``; it fails with the end of ``log``."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text()[-2000:]}")
