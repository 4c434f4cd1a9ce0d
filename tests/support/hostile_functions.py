"""Functions that somebody hostile, or careless, may have written."""

import ctypes
import fcntl
import json
import logging
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fl_common.functions import FunctionEvent, Predicted


class Told(Exception):
    """What a function has found out, which is told by its failure."""


class Good:
    """Counts its windows, and remembers how many there were."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """The number of the window."""
        self._seen += 1
        return (FunctionEvent("counted", {"number": self._seen}),)

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"seen": self._seen}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._seen = before["seen"]


class Poisoned(Good):
    """Ends its process at the window that starts at ``at_ns``."""

    def __init__(self, at_ns: int) -> None:
        super().__init__()
        self._at_ns = at_ns

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """End, or count."""
        if predicted.start_ns == self._at_ns:
            os._exit(3)
        return super().__call__(predicted)


class Talking:
    """Logs at each window."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Nothing."""
        logging.getLogger(__name__).warning("window %d", predicted.start_ns)
        return ()


class Multiplying:
    """Multiplies matrices, as many functions do, with a package that takes memory for threads."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """The sum of a product."""
        import numpy as np

        product = np.ones((200, 200)) @ np.ones((200, 200))
        return (FunctionEvent("sum", {"of": float(product.sum())}),)


class WorkingOn:
    """Starts a thread in each call, which works on after it, or ``joins`` it."""

    def __init__(self, joins: bool = False) -> None:
        self._joins = joins

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Nothing."""
        ends = threading.Event()
        thread = threading.Thread(target=ends.wait, daemon=True)
        thread.start()
        if self._joins:
            ends.set()
            thread.join()
        return ()


class EndsWhenMade:
    """Ends its process, and with it whatever else runs there."""

    def __init__(self) -> None:
        os._exit(3)


class NeverMade:
    """One whose constructor hangs."""

    def __init__(self) -> None:
        threading.Event().wait()

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Nothing."""
        return ()


class Hostile:
    """Does ``what`` at each window; ``path`` is what it is after."""

    def __init__(self, what: str, path: str) -> None:
        self._do, self._path = DEEDS[what], Path(path)

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Do it, and tell of it."""
        found = self._do(self._path)
        return found if isinstance(found, list) else [FunctionEvent("done", {"found": str(found)})]


def _write(path: Path) -> None:
    (path / "written").write_text("here")


def _fork_by_the_library(_: Path) -> str:
    if (child := ctypes.CDLL(None).fork()) == 0:
        os._exit(0)
    if child < 0:
        raise PermissionError("refused")
    return "went through"


def _call_by_number(number: int, *arguments: int) -> Callable[[Path], str]:
    def do(_: Path) -> str:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")
        return "went through"

    return do


def _mark_a_file(path: Path) -> str:
    """Set an attribute by a call that came in Linux 6.13 (setxattrat)."""
    libc, content = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(b"x")
    value = struct.pack("=QII", ctypes.addressof(content), 1, 0)
    given = -100, str(path / "private").encode(), 0, b"user.x", value, ctypes.c_size_t(len(value))
    if libc.syscall(463, *given) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "went through"


def _signal_by_a_file(_: Path) -> str:
    reads, _writes = os.pipe()
    fcntl.fcntl(reads, fcntl.F_SETOWN, os.getppid())
    return "went through"


def _here(x86_64: int, aarch64: int) -> int:
    """The number of a system call on this machine."""
    return x86_64 if os.uname().machine == "x86_64" else aarch64


def _deep(depth: int) -> list[FunctionEvent]:
    data: dict[str, Any] = {}
    for _depth in range(depth):
        data = {"in": data}
    return [FunctionEvent("deep", data)]


def _fail_in_no_characters(_: Path) -> None:
    raise Told("a file \udc80\n2026-01-01 ERROR all is lost")


def _events(count: int) -> list[FunctionEvent]:
    return [FunctionEvent("one", {"n": n}) for n in range(count)]


def _print(_: Path) -> str:
    line = "x" * (1 << 20)
    for _time in range(100):
        sys.stdout.write(line)
        sys.stderr.write(line)
        logging.getLogger("loud").error(line)
    return "printed"


def _hang_for_good(_: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Event().wait()


def _recurse(path: Path) -> Any:
    return _recurse(path)


DEEDS: Mapping[str, Callable[[Path], Any]] = {
    "read a file": lambda path: (path / "private").read_text(),
    "list a folder of others": lambda _: [*Path("/etc").iterdir()],
    "read the parent's memory": lambda _: Path(f"/proc/{os.getppid()}/mem").read_bytes(),
    "read the parent's environment": lambda _: Path(f"/proc/{os.getppid()}/environ").read_text(),
    "write": _write,
    "remove": lambda path: (path / "private").unlink(),
    "open to all": lambda path: (path / "private").chmod(0o777),
    "set a time": lambda path: os.utime(path / "private", (1, 1)),
    "connect": lambda _: socket.create_connection(("127.0.0.1", 9), 1),
    "listen": lambda _: socket.create_server(("127.0.0.1", 0)),
    "talk locally": lambda path: socket.socket(socket.AF_UNIX).connect(str(path / "private")),
    "fork": lambda _: os.fork(),
    "fork by the library": _fork_by_the_library,
    "start a program": lambda _: subprocess.run([sys.executable, "-c", "0"], check=True),
    "kill the parent": lambda _: os.kill(os.getppid(), signal.SIGKILL),
    "stop the parent": lambda _: os.kill(os.getppid(), signal.SIGSTOP),
    "limit the parent": lambda _: __import__("resource").prlimit(os.getppid(), 7, (3, 3)),
    "make a ring": _call_by_number(425, 8, 0),
    "make a socket by another architecture": _call_by_number(0x40000000 + 41, 2, 1, 0),
    "clone anew": _call_by_number(435, 0, 0),
    "unshare": _call_by_number(_here(272, 97), 0x10000000),
    "make sockets that know each other": lambda _: socket.socketpair(type=socket.SOCK_DGRAM),
    "signal by a file": _signal_by_a_file,
    "watch folders": _call_by_number(_here(294, 26), 0),
    "outlive the node": _call_by_number(_here(157, 167), 1, 0),
    "change its limits": lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "mark a file": _mark_a_file,
    "take all memory": lambda _: len(bytearray(1 << 30)),
    "recurse": _recurse,
    "leave": lambda _: sys.exit(3),
    "crash": lambda _: ctypes.string_at(0),
    "end": lambda _: os._exit(3),
    "hang": _hang_for_good,
    "loop": lambda _: [None for _ in iter(int, 1)],
    "tell a hundred thousand times": lambda _: _events(100_000),
    "tell without end": lambda _: [FunctionEvent("big", {"text": "x" * (8 << 20)})],
    "tell deeply": lambda _: _deep(100_000),
    "tell somewhat deeply": lambda _: _deep(500),
    "tell a long word": lambda _: [FunctionEvent("x" * 70_000, {})],
    "fail in no characters": _fail_in_no_characters,
    "tell what is no number": lambda _: [FunctionEvent("odd", {"n": float("nan")})],
    "tell what is no word": lambda _: [FunctionEvent("a\nb", {})],
    "tell without a word": lambda _: [FunctionEvent("", {})],
    "tell no object": lambda _: [FunctionEvent("odd", [1])],  # type: ignore[arg-type]
    "tell a set": lambda _: [FunctionEvent("odd", {"n": {1}})],
    "tell nothing of its kind": lambda _: ["odd"],
    "answer for itself": lambda _: os.write(_socket(), b"\0\0\0\2{}"),
    "answer deeply": lambda _: os.write(_socket(), b"\0\1\0\0" + b"[" * 65536),
    "answer with too much": lambda _: os.write(_socket(), b"\xff\xff\xff\xff"),
}
"""What each of these may not do, or does in vain."""

HARMLESS: Mapping[str, Callable[[Path], Any]] = {"print much": _print}


def _socket() -> int:
    """The process's one connection."""
    return next(fd for fd in range(3, 100) if _is_socket(fd))


def _is_socket(number: int) -> bool:
    try:
        return os.fstat(number).st_mode & 0o170000 == 0o140000
    except OSError:
        return False


def environment(_: Path) -> list[FunctionEvent]:
    """What is in its environment."""
    return [FunctionEvent("environment", json.loads(json.dumps(dict(os.environ))))]


DEEDS = {**DEEDS, **HARMLESS, "look around": environment}
