"""HTTP for the desk, on a socket of the file system that only the proxy of this server reaches."""

import contextlib
import logging
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from fl_common.configuration.rules import Config
from fl_common.wire.desk import LARGEST_BYTES, PATH
from fl_server.cloud.desk import Answer, Desk
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.home import CloudHome
from fl_server.cloud.proxy import SOCKET
from fl_server.cloud.reports import SiteReports
from fl_server.cloud.tokens import Tokens
from fl_server.cloud.witness import note_successor

_SECONDS = 20.0
_logger = logging.getLogger(__name__)


class _Handler(BaseHTTPRequestHandler):
    """One request; the proxy hands over whole ones alone."""

    timeout = _SECONDS

    def __init__(self, desk: Desk, *arguments: object) -> None:
        self._desk = desk
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BYTES:
            self._send(Answer(413, b""))
            return
        self._reply(self.rfile.read(int(length)))

    def address_string(self) -> str:
        """The address of the box, as the proxy saw it."""
        return self.headers.get("X-Real-IP", "?")

    def log_message(self, format: str, *values: object) -> None:
        """The desk logs what matters."""

    def _reply(self, content: bytes) -> None:
        what = self.path.removeprefix(PATH)
        self._send(self._desk.answer(what, content, self.address_string()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


class _Server(socketserver.UnixStreamServer):
    """Logs what fails in one place, and goes on; more may wait than the proxy lets in."""

    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        _logger.info("a request at the desk was cut off", exc_info=True)


@contextmanager
def open_desk(folder: Path, desk: Desk) -> Iterator[None]:
    """Answer at the socket in ``folder`` while the context is open, one request after the other.

    The path of a socket has 107 bytes at most, so it is named by way of the open folder.
    """
    (folder / SOCKET).unlink(missing_ok=True)
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        place = f"/proc/self/fd/{number}/{SOCKET}"
        with _Server(place, partial(_Handler, desk)) as server:
            (folder / SOCKET).chmod(0o600)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
    finally:
        os.close(number)
        with contextlib.suppress(OSError):
            (folder / SOCKET).unlink(missing_ok=True)


def desk_of(config: Config, home: CloudHome, enrolment: Enrolment) -> Desk:
    """The desk of the server in ``home``."""
    authority = home.authority.certificate if config["certificate"] is None else home.pinned
    tokens = Tokens(home.tokens, time.time)
    root = home.components / "metadata" / "1.root.json"
    reports, note = SiteReports(home.reports, time.time), partial(note_successor, home.ledger_heads)
    return Desk(enrolment, tokens, reports, authority, root, note)
