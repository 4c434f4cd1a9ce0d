"""``fl-fn serve``: CloudEvents over HTTP (HTTP protocol binding 1.0.2), as Knative's containers do.

Each connection has a thread, and h11 reads it. At SIGTERM nothing new is taken, and the calls under
way are answered.
"""

import argparse
import os
import signal
import socket
import threading
import time
from contextlib import suppress

from rich.console import Console

from fl_client.sensors.transports.http.access import is_loopback
from fl_common.configuration.addresses import bare_host
from fl_common.errors import InvalidConfiguration
from fl_common.functions.asked import no_model
from simulate.functions.answering import Answering
from simulate.functions.connection import Connection
from simulate.functions.models import asked_file
from simulate.functions.opened import open_folder
from simulate.functions.replies import Replies

_PORT = 8080
_MOST_CONNECTIONS = 64
_END_S = 30.0


def serve(options: argparse.Namespace) -> None:
    """Run the command, until SIGTERM or Ctrl-C.

    Raises:
        JoinTheDotsError: a function that can't be made, or a port that can't be listened on.
    """
    output = Console(highlight=False, stderr=True)
    port = _port(options.port)
    opened = open_folder(options.folder, output)
    answering = Answering(opened, no_model if options.model is None else asked_file(options.model))
    with Server(bare_host("--host", options.host), port, Replies(answering)) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        output.print(f"{opened.name} answers at http://{options.host}:{server.port}")
        server.run()
    output.print("ended: all calls are answered")


def _port(given: int | None) -> int:
    text = str(given) if given is not None else os.environ.get("PORT", str(_PORT))
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        what = f"--port {text}" if given is not None else f"PORT={text}"
        raise InvalidConfiguration(what, "must be from 0 to 65535", "0 takes a free one")
    return int(text)


class Server:
    """Listens on ``host`` and ``port`` (0: a free one), and answers by ``replies``.

    Raises:
        InvalidConfiguration: it can't be listened on.
    """

    def __init__(self, host: str, port: int, replies: Replies) -> None:
        self._replies, self._only_here = replies, is_loopback(host)
        self._ending, self._places = threading.Event(), threading.Semaphore(_MOST_CONNECTIONS)
        self._busy, self._none_busy = 0, threading.Condition()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise InvalidConfiguration(
                f"--host {host} --port {port}", f"can't be listened on ({error.strerror})",
                "Give an address of this machine, and a port that is free; --port 0 takes one",
            ) from error  # fmt: skip
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def stop(self) -> None:
        """Let ``run`` end; any thread, and a signal's handler, may call it."""
        self._ending.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Answer until ``stop``, and after it the calls that are under way."""
        while not self._ending.is_set():
            try:
                taken, _ = self._socket.accept()
            except OSError:
                if self._ending.is_set():
                    break
                time.sleep(0.1)  # too many open files: others are answered meanwhile
                continue
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(taken,), daemon=True).start()
            else:
                taken.close()
        with self._none_busy:
            self._none_busy.wait_for(lambda: self._busy == 0, _END_S)

    def _serve(self, taken: socket.socket) -> None:
        try:
            with taken, suppress(OSError):
                connection = Connection(taken, self._replies, self._busier, self._only_here)
                connection.serve(self._ending.is_set)
        finally:
            self._places.release()

    def _busier(self, change: int) -> None:
        """A request began (1), or was answered or given up (-1)."""
        with self._none_busy:
            self._busy += change
            self._none_busy.notify_all()
