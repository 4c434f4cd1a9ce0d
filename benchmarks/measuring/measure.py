"""One measured process: the run time and the memory of it and its children."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_EVERY_S = 0.1
_LAST_LINES = 3


@dataclass(frozen=True)
class Usage:
    """Wall-clock time of a process from its start to its end, and its tree's peak memory.

    ``peak_bytes`` is the largest sum, over all processes of the tree, of the memory each has for
    itself and its share of what they have in common (PSS), seen ten times a second. If the kernel
    does not report that, it is the largest resident size of one process.
    """

    began: float
    wall_s: float
    peak_bytes: int


class ProcessFailed(Exception):
    """A measured process that failed or ran too long; the message is the end of its log."""


def run_process(
    command: Sequence[str], environment: Mapping[str, str], log: Path, limit_s: float
) -> Usage:
    """Run ``command`` to its end, its output in ``log``.

    Raises:
        ProcessFailed: it ended with another status than 0, or not within ``limit_s`` seconds.
    """
    began = time.time()
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # signals that a peer sends to its process group stay there
        )
        with _Watch(process.pid, limit_s) as watch:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if watch.ran_out:
        raise ProcessFailed(f"not done within {limit_s:.0f} s")
    if process.returncode != 0:
        raise ProcessFailed(f"exit status {process.returncode}: {last_words(log)}")
    # The kernel's own maximum begins with the size of the process that forked: the second choice.
    return Usage(began, wall_s, watch.peak_bytes or usage.ru_maxrss * 1024)


def last_words(log: Path) -> str:
    """The last lines of a log, as one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:])


class _Watch:
    """Samples the memory of a process tree, and ends the tree when its time is up."""

    def __init__(self, process: int, limit_s: float) -> None:
        self.peak_bytes = 0
        self.ran_out = False
        self._process = process
        self._deadline = time.monotonic() + limit_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if kind is not None:  # Ctrl-C reaches only this process
            self._end_tree()

    def _run(self) -> None:
        while not self._done.wait(_SAMPLE_EVERY_S):
            tree = process_tree(self._process)
            self.peak_bytes = max(self.peak_bytes, sum(map(memory_of, tree)))
            if time.monotonic() > self._deadline:
                self.ran_out = True
                self._end_tree()
                return

    def _end_tree(self) -> None:
        for process in process_tree(self._process):
            _end(process)


def process_tree(root: int) -> list[int]:
    """``root`` and all its descendants; only ``root`` if there is no /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    tree = [root]
    for process in tree:
        tree += children.get(process, [])
    return tree


def memory_of(process: int) -> int:
    """Proportional set size in bytes; 0 if the process is gone or the kernel does not report it."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    lines = (line.split() for line in text.splitlines())
    return next((int(fields[1]) * 1024 for fields in lines if fields[0] == "Pss:"), 0)


def _end(process: int) -> None:
    try:
        os.kill(process, 9)
    except ProcessLookupError:
        return
