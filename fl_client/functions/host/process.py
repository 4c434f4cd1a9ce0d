"""The sensing process's side of a function host: starts it, asks it, and ends it in time."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.functions.host import Answer, CallEnded, FunctionSource, HostClosed, HostLimits
from fl_client.functions.host.answers import NO_ANSWER, failures_in, read, refusal_in, say
from fl_client.functions.host.channel import Channel, ChannelError
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions import Predicted
from fl_common.programs.limited_child import without_secrets
from fl_common.programs.own import own_program
from fl_common.programs.troubles import Troubles

_logger = logging.getLogger(__name__)
_MODULE = "fl_client.functions.host.child"
_PART, _REMEDY = "function host", "Free memory or processes on this machine; windows wait meanwhile"
_START_S = 60.0
"""Of the process, or of making a function: it may import large packages."""
_AGAIN_S = 1.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Each thread of numpy would take some tens of megabytes of address space, which is limited."""
_ENDED_S = 5.0


@dataclass(frozen=True)
class _Running:
    child: subprocess.Popen[bytes]
    channel: Channel


class HostProcess:
    """A host that can't read ``home``; any thread may call it, one at a time is served.

    The process is started when it is first needed.
    """

    def __init__(self, home: Path, limits: HostLimits, troubles: Troubles) -> None:
        self._home, self._limits, self._troubles = home, limits, troubles
        self._running: _Running | None = None
        self._present: set[tuple[int, str]] = set()
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._told_of_wall, self._asked_for = False, 0
        self.starts = 0
        """How many processes there were."""

    def check(self, source: FunctionSource) -> None:
        """See ``Host``."""
        with self._turn:
            try:
                answer = self._asked({"node": source.node, "at": source.at}, _START_S)
                refused = refusal_in(answer) if "refused" in answer else None
            except CallEnded as error:
                if self._closed.is_set():  # that says nothing of the function
                    raise HostClosed from None
                refused = source.class_name, f"can't be made ({error})", "Correct it"
            except NO_ANSWER:
                refused = source.class_name, "can't be made (its answer is none)", "Correct it"
        if refused is not None:
            kind = InvalidConfiguration if source.at else InvalidData
            raise kind(*refused)

    def call(
        self, key: int, source: FunctionSource, content: str | None, predicted: Predicted
    ) -> Answer:
        """See ``Host``."""
        with self._turn:
            try:
                failures = self._made(key, source, content, predicted.stream)
                request = {"key": key, "predicted": predicted.to_fields()}
                answer = self._asked(request, self._limits.seconds)
                say(source.class_name, answer)
                return read(answer, failures)
            except NO_ANSWER:  # somebody else wrote it than our code
                self._end()
                raise CallEnded("its answer is none") from None

    def _made(
        self, key: int, source: FunctionSource, content: str | None, stream: str
    ) -> list[str]:
        """Make the stream's function, if it is not there; what failed of it."""
        self._start()
        if (key, stream) in self._present:
            return []
        made = {"node": source.node, "at": source.at, "content": content}
        answer = self._asked({"key": key, "stream": stream, **made}, _START_S)
        self._present.add((key, stream))
        return failures_in(answer)

    def drop(self, key: int, stream: str) -> None:
        """See ``Host``."""
        with self._turn:
            self._drop([(key, stream)])

    def keep(self, keys: Collection[int]) -> None:
        """See ``Host``."""
        with self._turn:
            self._drop([at for at in self._present if at[0] not in keys])

    @property
    def process_id(self) -> int | None:
        """The process's; None: there is none."""
        running = self._running
        return None if running is None else running.child.pid

    def close(self) -> None:
        """End the process, at once."""
        self._closed.set()
        if (running := self._running) is not None:
            running.child.kill()
        with self._turn:
            self._end()

    def _drop(self, gone: list[tuple[int, str]]) -> None:
        if self._running is not None and gone:
            self._present.difference_update(gone)
            try:
                self._running.channel.send({"drop": gone}, self._limits.seconds)
            except ChannelError:
                self._end()

    def _asked(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Raises CallEnded, after which there is no process."""
        channel = self._start()
        self._asked_for += 1
        try:
            channel.send({"id": self._asked_for, **request}, seconds)
            answer = channel.receive(seconds)
            if not isinstance(answer, dict) or answer.get("id") != self._asked_for:
                raise ChannelError("its answer is to another question")
        except ChannelError as error:
            status = self._end()
            how = f" ({_status(status)})" if str(error) == "its process ended" else ""
            raise CallEnded(f"{error}{how}") from None
        return answer

    def _start(self) -> Channel:
        """The channel to the process, which is started if there is none.

        Raises:
            HostClosed: the host was closed, perhaps while no process could be started.
        """
        while self._running is None or self._closed.is_set():
            if self._closed.is_set():
                raise HostClosed
            try:
                self._running = self._started()
                self._troubles.end(_PART)
            except (OSError, ChannelError) as error:
                self._troubles.begin(_PART, f"its process can't be started ({error})", _REMEDY)
                self._closed.wait(_AGAIN_S)
        return self._running.channel

    def _started(self) -> _Running:
        """Raises OSError or ChannelError."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = own_program(_MODULE, str(theirs.fileno()))
            nowhere = subprocess.DEVNULL
            child = subprocess.Popen(
                command, stdin=nowhere, stdout=nowhere, stderr=nowhere,
                pass_fds=[theirs.fileno()], env=without_secrets() | _ONE_THREAD,
            )  # fmt: skip
        running = _Running(child, Channel(ours))
        self._present.clear()
        self.starts += 1
        try:
            path = [str(Path(entry).absolute()) for entry in sys.path]
            home, megabytes = str(self._home.absolute()), self._limits.megabytes
            running.channel.send({"path": path, "home": home, "megabytes": megabytes}, _START_S)
            self._tell_of_wall(running.channel.receive(_START_S)["missing"])
        except (ChannelError, LookupError, TypeError):
            _ended(running)
            raise ChannelError("it does not begin") from None
        return running

    def _tell_of_wall(self, missing: list[str]) -> None:
        if missing and not self._told_of_wall:
            self._told_of_wall = True
            _logger.warning(
                "this machine's kernel can't shut functions in (%s): run only those that you"
                " trust with this site's data. Linux 5.13 on x86_64 or aarch64 can.",
                ", ".join(missing)[:100],
            )

    def _end(self) -> int | None:
        """End the process, if there is one; its exit status."""
        running, self._running = self._running, None
        self._present.clear()
        return _ended(running) if running is not None else None


def _ended(running: _Running) -> int | None:
    running.channel.close()
    try:  # it may be ending by itself: then its status says more
        return running.child.wait(0.2)
    except subprocess.TimeoutExpired:
        running.child.kill()
        with suppress(subprocess.TimeoutExpired):  # the kernel holds it, such as for a slow disk
            return running.child.wait(_ENDED_S)
        return None


def _status(status: int | None) -> str:
    if status is None:
        return "no status"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
