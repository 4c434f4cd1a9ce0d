"""Child processes that are kept running, and end with their parent."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.files.whole import make_folder
from fl_common.programs.logs import message_of

_logger = logging.getLogger(__name__)
_GRACE_S = 10.0
_TAIL_BYTES = 65_536
_TIED = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
"""Ends a child when this process is killed; of util-linux, so every Linux has it."""


@dataclass(frozen=True)
class RestartPolicy:
    """Seconds before a child that ended is restarted, doubled from ``first_s`` up to ``most_s``.

    After a child has run for longer than ``most_s``, the delay is ``first_s`` again.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    first_s: float
    most_s: float

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.most_s:
            raise InvalidConfiguration(
                f"restart.first_s={self.first_s}, restart.most_s={self.most_s}",
                "must be above 0, the first at most the second",
                "Set restart so",
            )


@dataclass(frozen=True)
class Failure:
    """The status with which a child ended, and the last line of its log; in seconds since 1970."""

    status: int | str
    line: str
    at_s: float


@dataclass
class Child:
    """A process kept running; ``command`` is called anew at each start.

    Its output goes to ``log``, and ``folder`` is its current folder. With ``once`` it is done when
    it ends with status 0, and ``refused`` when its first start ends because of bad input, which no
    restart would fix. ``failure`` is how it ended last, until it has run for long again.
    """

    name: str
    command: Callable[[], Sequence[str]]
    log: Path
    restart_policy: RestartPolicy
    once: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    starts: int = 0
    done: bool = False
    refused: bool = False
    _failure: Failure | None = None
    _began: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it and keep it running."""
        make_folder(self.log.parent)
        self._thread = threading.Thread(target=self._keep, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it: SIGTERM first, SIGKILL after some seconds."""
        self._stop.set()
        end(self.process)
        if self._thread is not None:
            self._thread.join()

    @property
    def pid(self) -> int | None:
        """The process id, while one runs."""
        process = self.process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def failure(self) -> Failure | None:
        """How it ended last; None once it is done, or has run for longer than ``most_s``.

        One that runs ``once`` can take long to fail again: what it has done since is its own to
        tell.
        """
        if self.done or (not self.once and self.pid is not None and self._lasts()):
            return None
        return self._failure

    def reload(self) -> None:
        """Let it read its configuration and files again (SIGHUP), if it runs."""
        with contextlib.suppress(ProcessLookupError):
            if (pid := self.pid) is not None:
                os.kill(pid, signal.SIGHUP)

    def last_line(self) -> str:
        """What the last line of its log says."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return message_of(next((line for line in reversed(lines) if line.strip()), "").strip())

    def _lasts(self) -> bool:
        return time.monotonic() - self._began > self.restart_policy.most_s

    def _keep(self) -> None:
        wait_s = self.restart_policy.first_s
        while not self._stop.is_set():
            self._began = time.monotonic()
            status = self._live()
            if self._stop.is_set():
                return
            if self.once and status == 0:
                self.done = True
                return
            if self.once and self.starts == 1 and status == InvalidConfiguration.exit_status:
                self.refused = True
                return
            if self._lasts():
                wait_s = self.restart_policy.first_s
            self._failure = Failure(status, self.last_line(), time.time())
            _logger.warning(
                "%s ended with status %s and restarts in %g s; its log is %s",
                self.name,
                status,
                wait_s,
                self.log,
            )
            self._stop.wait(wait_s)
            wait_s = min(2 * wait_s, self.restart_policy.most_s)

    def _live(self) -> int | str:
        try:
            with self.log.open("ab") as log:
                self.process = start(self.command(), log.fileno(), self.environment, self.folder)
        except OSError as error:
            return str(error)
        self.starts += 1
        if self._stop.is_set():
            end(self.process)
        return self.process.wait()


class StartRefused(JoinTheDotsError):
    """A child was started with bad input; carries its message."""

    exit_status = InvalidConfiguration.exit_status


def start(
    command: Sequence[str],
    output: int,
    environment: Mapping[str, str],
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """A process in its own group, which ends with the thread that calls this."""
    return subprocess.Popen(
        [*_TIED, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        cwd=folder,
        process_group=0,
    )


def end(process: subprocess.Popen[bytes] | None) -> None:
    """End the process and its children."""
    if process is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
