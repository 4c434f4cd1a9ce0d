"""A command under strace: where it and its children connect, listen and write.

The environment is a person's at a shell, without the variables by which libraries recognise a test
or a service for CI: some are silent there alone.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from tests.support.sources import ROOT

LIMIT_S = 560.0
_CALLS = (
    *("connect", "sendto", "sendmsg", "sendmmsg", "bind", "listen", "open", "openat", "creat"),
    *("mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat"),
    *("symlink", "symlinkat", "unlink", "unlinkat"),
)
_STRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-yy", "-s", "512", "-e", "signal=none")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
_GIVEN = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_SOCKET = r"<(TCP|UDP|TCPv6|UDPv6):"
_LISTENS = re.compile(_SOCKET + r"\[(?P<host>\[?[^\[\]]*\]?):(?P<port>\d+)\]>")
_LEADS_TO = re.compile(r"->\[?(?P<host>[^\[\]]*?)\]?:(?P<port>\d+)\]>")
_PATHS = re.compile(r'(?:\w+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')

Address = tuple[str, int]


@dataclass(frozen=True)
class Trace:
    """What a command and its children did; ``said`` is their output."""

    status: int
    said: str
    connected: frozenset[Address]
    """Where TCP connected to, and UDP sent to."""
    listened: frozenset[Address]
    """Where TCP or UDP was heard."""
    wrote: frozenset[Path]
    """Paths that were opened for writing, made, renamed or deleted."""

    def left(self) -> set[Address]:
        """Where it connected outside of this machine."""
        own = {one.address for some in psutil.net_if_addrs().values() for one in some}
        return {to for to in self.connected if not (ip_address(to[0]).is_loopback or to[0] in own)}

    def opened(self) -> set[Address]:
        """Where other machines could have connected to it."""
        return {at for at in self.listened if not ip_address(at[0]).is_loopback}

    def strayed(self, *allowed: Path) -> set[Path]:
        """What it wrote outside of ``allowed``, the kernel's own folders and Python's bytecode."""
        places = (*allowed, Path("/dev"), Path("/proc"))
        wrote = {path for path in self.wrote if "__pycache__" not in path.parts}
        return {path for path in wrote if not any(map(path.is_relative_to, places))}


def shell(folder: Path) -> dict[str, str]:
    """The environment of a person whose home is ``folder/person``."""
    person, temporary = folder / "person", folder / "temporary"
    for place in (person, temporary):
        place.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(person),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "PATH": os.environ["PATH"] + ":/usr/sbin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
    }


class Traced:
    """A command that runs under strace."""

    def __init__(
        self, command: Sequence[str], folder: Path, changes: Mapping[str, str] | None = None
    ) -> None:
        if shutil.which("strace") is None:
            pytest.skip("needs strace, which is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._log, self._output = folder / "trace.log", folder / "output.log"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*_STRACE, "-e", f"trace={','.join(_CALLS)}", "-o", str(self._log), *command],
                cwd=folder,
                env=shell(folder) | {"PYTHONPATH": str(ROOT), **(changes or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """Its output so far."""
        return self._output.read_text(errors="replace")

    def stop(self) -> None:
        """Send SIGTERM to the command."""
        for child in psutil.Process(self.process.pid).children():
            child.send_signal(signal.SIGTERM)

    def ended(self) -> Trace:
        """Wait for its end, and that of its children."""
        status = self.process.wait(LIMIT_S)
        lines = self._log.read_text(errors="replace").splitlines()
        calls = [found.groups() for line in lines if (found := _CALL.match(line))]
        return Trace(
            status,
            self.said(),
            frozenset(to for name, rest in calls for to in _connections(name, rest)),
            frozenset(at for name, rest in calls for at in _listeners(name, rest)),
            frozenset(path for name, rest in calls for path in _written(name, rest, self._folder)),
        )


@contextmanager
def tracing(
    command: Sequence[str], folder: Path, changes: Mapping[str, str] | None = None
) -> Iterator[Traced]:
    """``command`` in ``folder``, gone afterwards."""
    traced = Traced(command, folder, changes)
    try:
        yield traced
    finally:
        if traced.process.poll() is None:
            for process in psutil.Process(traced.process.pid).children(recursive=True):
                process.kill()
            os.killpg(traced.process.pid, signal.SIGKILL)
            traced.process.wait()


def trace(command: Sequence[str], folder: Path, changes: Mapping[str, str] | None = None) -> Trace:
    """Run ``command`` in ``folder`` to its end."""
    with tracing(command, folder, changes) as traced:
        return traced.ended()


def _connections(name: str, rest: str) -> Iterator[Address]:
    """A connected UDP socket sends nothing until it is told to, as when asked for a route."""
    if not name.startswith(("connect", "send")) or "AF_UNIX" in rest:
        return
    udp = re.match(r"\d+<UDP", rest) is not None
    if name == "connect" and udp:
        return
    for port, host in _GIVEN.findall(rest):
        yield host.removeprefix("::ffff:"), int(port)
    if udp and (found := _LEADS_TO.search(rest)):
        yield found["host"], int(found["port"])


def _listeners(name: str, rest: str) -> Iterator[Address]:
    if name == "listen" and (found := _LISTENS.search(rest)):
        yield found["host"].strip("[]").removeprefix("::ffff:"), int(found["port"])
    if name == "bind" and re.match(r"\d+<UDP", rest):
        for port, host in _GIVEN.findall(rest):
            yield host, int(port)


def _written(name: str, rest: str, current: Path) -> Iterator[Path]:
    if name in ("connect", "bind", "listen") or name.startswith("send"):
        return
    if name.startswith("open") and not re.search(r"O_(WRONLY|RDWR|CREAT)", rest):
        return
    if re.search(r"= -1 E\w+", rest):
        return
    for folder, path in _PATHS.findall(rest):
        yield Path(os.path.normpath(Path(folder or current, path)))
