"""The sensing process's side of a function host: starts it, asks it, and ends it in time."""

import logging
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fl_client.functions.host import (
    ERROR,
    NO_MODEL,
    Answer,
    CallEnded,
    FunctionSource,
    HostClosed,
    HostLimits,
    HostUnavailable,
)
from fl_client.functions.host.answers import NO_ANSWER, failures_in, lines_in, read, refusal_in
from fl_client.functions.host.asking import (
    Answerer,
    Answering,
    AskingNetworks,
    no_answering,
    no_networks,
)
from fl_client.functions.host.channel import ChannelError
from fl_client.functions.host.compiler import Compiler
from fl_client.functions.host.held import Held
from fl_client.functions.host.said import Said
from fl_client.functions.host.started import START_S, StartedProcess
from fl_common.errors import BadInput, InvalidConfiguration, InvalidData
from fl_common.functions.asked import Asker
from fl_common.functions.events import Event, to_stored
from fl_common.programs.troubles import Troubles

_logger = logging.getLogger(__name__)
_REMEDY = "Free memory or processes on this machine; windows wait meanwhile"
_AGAIN_S = 1.0
_TRIES = 3
_FIRST, _CHECK, _ANSWER, _THREADS = "first", "check", "answer", "threads"
_WORKS_ON = "it left threads that work on after its call"


class HostProcess:
    """A host that can't read ``home``; any thread may call it, one at a time is served.

    ``model`` answers what functions ask during a call, and ``networks`` what those ask by name.

    The process is started when it is first needed, and anew after one that ended, took too long
    (``slow``), has an ``answer`` that is none, or left ``threads``. What is only checked has a
    process of its own, so that it can't disturb those that run. ``part`` is its name to people.
    """

    def __init__(
        self,
        home: Path,
        limits: HostLimits,
        troubles: Troubles,
        model: Answering = no_answering,
        part: str = "function host",
        networks: AskingNetworks = no_networks,
    ) -> None:
        self._home, self._limits, self._troubles = home, limits, troubles
        self._model, self._part, self._networks = model, part, networks
        self._running: StartedProcess | None = None
        self._checking: StartedProcess | None = None
        self._present = Held()
        self._turn, self._check_turn = threading.Lock(), threading.Lock()
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._told_of_wall, self._next_for = False, _FIRST
        self._starts = Counter[str]()
        self._compiler, self._said = Compiler(home, limits.sandbox_megabytes), Said()

    @property
    def starts(self) -> Mapping[str, int]:
        """See ``Host``."""
        return dict(self._starts)

    def is_ready(self, source: FunctionSource) -> bool:
        """See ``Host``."""
        return source.sandboxed is None or self._compiler.has(source.sandboxed)

    def check(self, source: FunctionSource) -> None:
        """See ``Host``."""
        request = {"node": self._compiler.node_of(source), "at": source.at}
        with self._check_turn:
            self._checking = self._begun(_CHECK, _TRIES)
            try:
                self._refuse_if_closed()
                answer = self._checking.ask(request, START_S)
                refused = refusal_in(answer) if "refused" in answer else None
            except (ChannelError, *NO_ANSWER) as error:
                why = _why(error, self._checking.end())
                refused = source.title, f"can't be made ({why})", "Correct it"
            finally:
                self._checking.end()
        self._refuse_if_closed()  # the answer says nothing of the function
        if refused is not None:
            kind = InvalidConfiguration if source.at else InvalidData
            raise kind(*refused)

    def call(self, key: int, source: FunctionSource, content: str | None, event: Event) -> Answer:
        """See ``Host``."""
        try:
            node = self._compiler.node_of(source)
        except (BadInput, OSError) as error:
            raise CallEnded(f"it can't be compiled ({error})") from None
        with self._turn:
            try:
                return self._answer(key, node, source, content, event)
            except (ChannelError, *NO_ANSWER) as error:
                reason = error.reason if isinstance(error, ChannelError) else _ANSWER
                raise CallEnded(_why(error, self._end(reason))) from None

    def _answer(
        self,
        key: int,
        node: Mapping[str, Any],
        source: FunctionSource,
        content: str | None,
        event: Event,
    ) -> Answer:
        """Raises ChannelError or NO_ANSWER, after which the process has to be ended."""
        running, failures = self._started(), []
        if (key, event.stream) not in self._present:
            made = {"node": node, "at": source.at, "content": content}
            found = running.ask({"key": key, "stream": event.stream, **made}, START_S)
            failures = failures_in(found)
            if not found["made"]:
                return Answer(None, content, failures, 0.0)
            self._present.note((key, event.stream), 0)
        request = {"key": key, "event": to_stored(event)}
        asker = Asker(key, event.stream, event.start_ns)
        answers = Answerer(self._model, self._networks, source.asks, asker)
        answer = running.ask(request, self._limits.seconds, answers)
        unsaid = self._said.log(source.title, *lines_in(answer))
        if running.works_on():
            self._end(_THREADS)
            return Answer(None, content, [*failures, _WORKS_ON], 0.0)
        whole = replace(read(answer, failures), unsaid=unsaid)
        if answers.lacking and whole.events is None and whole.cause == ERROR:
            whole = replace(whole, cause=NO_MODEL)  # by what this side knows
        if gone := self._present.note((key, event.stream), len(whole.content or "")):
            self._tell({"drop": gone})
        return whole

    def drop(self, key: int, stream: str) -> None:
        """See ``Host``."""
        with self._turn:
            self._present.drop((key, stream))
            self._tell({"drop": [(key, stream)]})

    def keep(self, keys: Collection[int]) -> None:
        """See ``Host``."""
        with self._turn:
            self._present.keep(keys)
            self._tell({"keep": list(keys)})

    @property
    def process_id(self) -> int | None:
        """The process's; None: there is none."""
        running = self._running
        return None if running is None else running.process_id

    def close(self) -> None:
        """End the processes, at once."""
        self._closed.set()
        for process in (self._running, self._checking):
            if process is not None:
                process.kill()
        with self._turn:
            self._end(_FIRST)

    def _tell(self, message: Mapping[str, Any]) -> None:
        if self._running is not None:
            try:
                self._running.tell(message, self._limits.seconds)
            except ChannelError as error:
                self._end(error.reason)

    def _started(self) -> StartedProcess:
        """The process, which is started if there is none. Raises HostClosed."""
        if self._running is None:
            self._running = self._begun(self._next_for)
            self._present.clear()
        self._refuse_if_closed()  # whoever closes it may not have seen the process yet
        return self._running

    def _refuse_if_closed(self) -> None:
        if self._closed.is_set():
            raise HostClosed

    def _begun(self, reason: str, tries: int | None = None) -> StartedProcess:
        """A new process, started for ``reason``; after ``tries`` (None: without end) none.

        Raises:
            HostClosed: the host was closed, perhaps while no process could be started.
            HostUnavailable: none could be started.
        """
        tried = 0
        while not self._closed.is_set():
            tried += 1
            try:
                with self._starting:
                    process = StartedProcess(self._home, self._limits, self._compiler.folder)
                    self._starts[reason] += 1
                self._troubles.end(self._part)
                self._tell_of_wall(process.missing)
                return process
            except (OSError, ChannelError) as error:
                why = f"its process can't be started ({error})"
                self._troubles.begin(self._part, why, _REMEDY)
                if tried == tries:
                    raise HostUnavailable(f"{self._part}: {why}. {_REMEDY}") from None
                self._closed.wait(_AGAIN_S)
        raise HostClosed

    def _tell_of_wall(self, missing: list[str]) -> None:
        if missing and not self._told_of_wall:
            self._told_of_wall = True
            _logger.warning(
                "this machine's kernel can't shut functions in (%s): run only those that you"
                " trust with this site's data. Linux 5.13 on x86_64 or aarch64 can.",
                ", ".join(missing)[:100],
            )

    def _end(self, reason: str) -> int | None:
        """End the process, if there is one, for the ``reason`` of the next; its exit status."""
        running, self._running, self._next_for = self._running, None, reason
        self._present.clear()
        return running.end() if running is not None else None


def _why(error: Exception, status: int | None) -> str:
    """Why there is no answer from a process that ended with ``status``."""
    if not isinstance(error, ChannelError):  # somebody else wrote it than our code
        return "its answer is none"
    return f"{error} ({_status(status)})" if error.reason == "ended" else str(error)


def _status(status: int | None) -> str:
    if status is None:
        return "no status"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
