"""The node's HTTP port: /metrics for Prometheus, /healthz for a supervisor, /status for operators.

The standard library's server in a thread of its own: it replies while the sensing loop is busy, and
a malformed request affects only itself.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from fl_common.errors import InvalidConfiguration

_SECONDS_PER_REQUEST = 10
_JSON = "application/json"


class StatusServer:
    """Serves ``metrics()``, ``health()`` and ``status()``; ``port`` 0 takes a free one.

    ``health`` returns what is wrong, or an empty text: /healthz then replies 200, else 503.

    Raises:
        InvalidConfiguration: the port is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Callable[[], bytes],
        health: Callable[[], list[str]],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._metrics, self._health, self._status = metrics, health, status
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler())
        except (OSError, OverflowError) as error:
            raise InvalidConfiguration(
                f"http.host={host} http.port={port}",
                f"can't be listened on ({error})",
                "Set http.port to a free one; 0 takes any",
            ) from error
        self._server.daemon_threads = True
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
            return 503 if wrong else 200, _JSON, _json({"ok": not wrong, "wrong": wrong})
        if path == "/status":
            return 200, _JSON, _json(self._status())
        return 404, _JSON, _json({"paths": ["/metrics", "/healthz", "/status"]})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            timeout = _SECONDS_PER_REQUEST

            def do_GET(self) -> None:
                status, kind, body = answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Do not log every request."""

        return Handler


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
