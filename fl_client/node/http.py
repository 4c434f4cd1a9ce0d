"""The node's HTTP port: /metrics for Prometheus, /healthz for a supervisor, /status for operators.

The standard library's server in a thread of its own: it replies while the sensing loop is busy, and
a malformed request affects only itself. Beyond the loopback interface it needs TLS and a token;
without a token it refuses requests that name another host, as those of a web page in a browser do.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from fl_client.sensors.transports.http.access import Access, names_this_machine
from fl_common.configuration.addresses import bare_host
from fl_common.errors import InvalidConfiguration

_SECONDS_PER_REQUEST = 10
_CONNECTIONS = 32
_JSON = "application/json"


class StatusServer:
    """Serves ``metrics()``, ``health()`` and ``status()``; ``port`` 0 takes a free one.

    ``health`` returns what is wrong; /healthz replies 200 if nothing is, else 503.

    Raises:
        InvalidConfiguration: the port is taken, or others reach ``host`` without token and TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        access: Access,
        metrics: Callable[[], bytes],
        health: Callable[[], Sequence[Mapping[str, str]]],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        host = bare_host("http.host", host)
        access.check_host(host)
        self._access = access
        self._metrics, self._health, self._status = metrics, health, status
        try:
            self._server = _Server((host, port), self._handler())
        except (OSError, OverflowError) as error:
            raise InvalidConfiguration(
                f"http.host={host} http.port={port}",
                f"can't be listened on ({error})",
                "Set http.port to a free one; 0 takes any",
            ) from error
        if access.tls is not None:
            self._server.socket = access.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="status", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """HTTP status, content type and body for ``path``."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, self._metrics()
        if path == "/healthz":
            wrong = self._health()
            return 503 if wrong else 200, _JSON, _json({"ok": not wrong, "wrong": list(wrong)})
        if path == "/status":
            return 200, _JSON, _json(self._status())
        return 404, _JSON, _json({"paths": ["/metrics", "/healthz", "/status"]})

    def _admitted(self, head: Message) -> int | None:
        """None, or the HTTP status for who may not ask."""
        if not self._access.allows(head.get("Authorization", "").encode()):
            return 401
        host = head.get("Host", "").encode()
        return 403 if self._access.open and not names_this_machine(host) else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer, admitted = self.answer, self._admitted

        class Handler(BaseHTTPRequestHandler):
            timeout = _SECONDS_PER_REQUEST

            def do_GET(self) -> None:
                refused = admitted(self.headers)
                status, kind, body = (
                    (refused, _JSON, _json({"refused": True}))
                    if refused
                    else answer(self.path.partition("?")[0])
                )
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Do not log every request."""

        return Handler


class _Server(ThreadingHTTPServer):
    """A thread for each of few connections; more are closed."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up, or speaks no TLS, is no fault of ours."""


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
