"""A box at the server's desk: over TLS, once the authority is the one that it knows."""

import hashlib
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.wire.desk import AUTHORITY, PATH

_logger = logging.getLogger(__name__)
_FIRST_WAIT_S, _MOST_WAIT_S = 2.0, 60.0
_BUSY = (429, 502, 503, 504)
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class DeskClient:
    """Asks the desk of ``server`` (``host:port``); ``wait`` waits for some seconds.

    A request has so many ``tries``, and ``seconds`` for each.
    """

    server: str
    wait: Callable[[float], None] = time.sleep
    seconds: float = 60.0
    tries: int = 8

    def authority(self, digest: str) -> bytes:
        """The file of the authority whose SHA-256 is ``digest``.

        The connection that it comes over is not to be trusted yet; the file is, by its digest.

        Raises:
            InvalidConfiguration: the server has another.
            RunFailed: it can't be reached.
        """
        content: bytes = self._ask(AUTHORITY, None, False).content
        if hashlib.sha256(content).hexdigest() != digest:
            raise InvalidConfiguration(
                f"the server at {self.server}",
                "has another authority than the token says: it may be somebody else's",
                "Ask who made the token which server it is for, or get a new one",
            )
        return content

    def ask(self, what: str, content: bytes, authority: bytes) -> Mapping[str, Any]:
        """The answer to the request ``content``.

        Raises:
            InvalidConfiguration: the desk refuses.
            RunFailed: it can't be reached, or its certificate is not to be trusted.
        """
        context = ssl.create_default_context(cadata=authority.decode())
        reply = self._ask(what, content, context)
        try:
            values = json.loads(reply.content)
            if not isinstance(values, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise RunFailed(f"{self.server} gives no answer that can be read: {error}") from error
        if not reply.is_success:
            words = str(values.get("error", reply.reason_phrase))
            raise InvalidConfiguration(
                f"the server at {self.server}", f"refuses: {words}", "See its log, or its operator"
            )
        return values

    def _ask(
        self, what: str, content: bytes | None, verify: ssl.SSLContext | bool
    ) -> httpx.Response:
        """The reply; a server that is busy, or not there, is asked again for some minutes."""
        wait_s, why = _FIRST_WAIT_S, ""
        for attempt in range(self.tries):
            if attempt:
                _logger.warning("%s: %s; trying again in %g s", self.server, why, wait_s)
                self.wait(wait_s)
                wait_s = min(2 * wait_s, _MOST_WAIT_S)
            try:
                reply = self._once(what, content, verify)
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                if "certificate" in why.lower():
                    break
                continue
            if reply.status_code not in _BUSY:
                return reply
            why = f"it replied {reply.status_code}"
        raise RunFailed(f"{self.server} can't be asked: {why}")

    def _once(
        self, what: str, content: bytes | None, verify: ssl.SSLContext | bool
    ) -> httpx.Response:
        method = "GET" if content is None else "POST"
        with (
            httpx.Client(verify=verify, timeout=self.seconds) as client,
            client.stream(method, f"https://{self.server}{PATH}{what}", content=content) as reply,
        ):
            read = b""
            for part in reply.iter_bytes():
                read += part
                if len(read) > _LARGEST_BYTES:
                    raise RunFailed(f"{self.server} answers with more than a desk would")
            return httpx.Response(reply.status_code, content=read)
