"""The resident trainer: one process that imports torch once and handles all messages.

It starts with the first message that asks for more than the site's name, and talks over a private
socket pair. It ends when the link ends, for whatever reason, and after a time without work, so that
an idle box has its memory back.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from flwr.app import Message

from fl_common.programs.confinement import confine
from fl_common.wire.failure import failed

MessageHandler = Callable[[Message, bool], Message]
"""The reply to a message; true asks for the reply of a site without data."""
_logger = logging.getLogger(__name__)
_GRACE_S = 10.0


class ResidentTrainer:
    """Handles messages in a child process.

    The child calls ``make`` once for its message handler; ``make`` must be importable by name
    (``functools.partial`` of a function).
    """

    def __init__(self, make: Callable[[], MessageHandler]) -> None:
        self._make = make
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def answer(self, message: Message, goes_on: Callable[[], bool]) -> Message:
        """The reply; if the process dies, that of a new one without data, else an error reply.

        It may have died of its data, and after the charge: nothing else would hide that. No second
        process starts where ``goes_on`` says that the link ends.
        """
        for without_data in (False, True):
            try:
                pipe = self._started()
                pipe.send((message, without_data))
                reply = pipe.recv()
            except (EOFError, OSError) as error:
                status = self._ended()
                _logger.error("the trainer died with status %s as it answered (%r)", status, error)
                if not goes_on():
                    break
            else:
                assert isinstance(reply, Message)
                return reply
        return failed(message)

    def start(self) -> None:
        """Start the process, unless one runs, and wait until it can handle messages."""
        try:
            self._started()
        except (EOFError, OSError) as error:  # told again by the message that is next
            _logger.error("the trainer died with status %s at its start (%r)", self._ended(), error)

    def rest(self) -> None:
        """End the process, if one runs."""
        if self._process is not None:
            self._ended()
            _logger.info("the trainer rests until there is work")

    @property
    def pid(self) -> int | None:
        """The process id; None while no process runs."""
        return self._process.pid if self._process else None

    def _started(self) -> Connection:
        if self._process is not None and self._pipe is not None and self._process.is_alive():
            return self._pipe
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        ours.recv()  # it says once that it is ready
        _logger.info("trainer process %s started", self._process.pid)
        return ours

    def _ended(self) -> int | None:
        process, self._process = self._process, None
        if self._pipe is not None:
            self._pipe.close()
        if process is None:
            return None
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode


def _serve(pipe: Connection, make: Callable[[], MessageHandler]) -> None:
    """Handle messages until the link closes the pipe or ends."""
    confine()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard's goes to the link, too
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answering = make()
    pipe.send(None)
    while True:
        try:
            message, without_data = pipe.recv()
        except EOFError:
            return
        pipe.send(answering(message, without_data))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)
