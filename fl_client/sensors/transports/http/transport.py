"""HTTP as a transport: a sensor posts each message to its topic's path."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Sequence

from fl_client.sensors.transports import Take, TransportState
from fl_client.sensors.transports.http.access import Access
from fl_client.sensors.transports.http.admission import Admission
from fl_client.sensors.transports.http.connection import READ_BYTES, Connection
from fl_client.sensors.transports.http.inbox import Inbox
from fl_client.sensors.transports.http.limits import Limits
from fl_common.configuration.addresses import bare_host
from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration

_LOG = logging.getLogger(__name__)
_GRACE_S = 2.0
_PAUSE_S = 0.5
_BACKLOG = 128
_NO_PATH = frozenset("?#+%\\")
_UP = ("", ".", "..")


class HttpTransport:
    """Listens on ``host`` and ``port`` (0: a free one); a topic's path is ``/`` and the topic.

    Raises:
        InvalidConfiguration: no port, or a host that others can reach without a token and TLS.
    """

    def __init__(self, host: str, port: int, access: Access, limits: Limits) -> None:
        require("transports.http.port", port, whole(0, 65535))
        host = bare_host("transports.http.host", host)
        access.check_host(host)
        self._host, self._port, self._access, self.limits = host, port, access, limits
        self.admission = Admission(access, {}, limits.payload_bytes)
        self.inbox = Inbox(limits.in_flight, limits.inbox_bytes)
        self._open: dict[asyncio.Task[None], Connection | None] = {}
        self._refusals = Counter[str]()
        self.crowded = False
        """Whether a client waits for a connection to be freed."""
        self.address: str | None = None
        """The URL where it listens; None while it does not."""

    def check(self, name: str, address: str) -> None:
        """See ``Transport``."""
        levels = address.removeprefix("/").split("/")
        bad = any(level in _UP or not level.isprintable() for level in levels)
        if bad or " " in address or _NO_PATH & set(address):
            rule = (
                "is no path: HTTP has no wildcards, and empty parts, spaces, ? # + and % not here"
            )
            raise InvalidConfiguration(f"topic {address!r} of {name}", rule, "Correct the topic")

    def matches(self, declared: str, address: str) -> bool:
        """See ``Transport``."""
        return declared == address

    def state(self) -> TransportState:
        """See ``Transport``."""
        fault = f"HTTP: does not listen on {self._host}:{self._port}"
        details = {"address": self.address, "connections": len(self._open)}
        return TransportState(self.address is not None, fault, details, self._refusals)

    def refused(self, reason: str) -> None:
        """Count a refused request, and log the first of a kind."""
        self._refusals[reason] += 1
        if self._refusals[reason] == 1:
            _LOG.warning(
                "HTTP: a request was refused (%s); further ones are only counted, as"
                " fl_client_transport_refused_total", reason)  # fmt: skip

    async def run(self, addresses: Sequence[str], take: Take) -> None:
        """Listen until cancelled; then answer the requests whose messages are being stored."""
        topics = {"/" + topic.removeprefix("/"): topic for topic in reversed(addresses)}
        self.admission = Admission(self._access, topics, self.limits.payload_bytes)
        with self._listening() as listener:
            self.address = self._url(listener)
            _LOG.info("listens to sensors on %s", self.address)
            running = [asyncio.ensure_future(self._accept(listener)),
                       asyncio.ensure_future(self.inbox.pump(take))]  # fmt: skip
            try:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self.address = None
                await _ended(running)
                await self._close()

    def _listening(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            where = (self._host, self._port)
            listener = socket.create_server(where, family=family, backlog=_BACKLOG)
        except OSError as error:
            raise InvalidConfiguration(
                f"transports.http.host={self._host} transports.http.port={self._port}",
                f"can't be listened on ({error})",
                "Set transports.http.port to a free one; 0 takes any",
            ) from error
        listener.setblocking(False)
        return listener

    def _url(self, listener: socket.socket) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        scheme = "https" if self._access.tls else "http"
        return f"{scheme}://{host}:{listener.getsockname()[1]}"

    async def _accept(self, listener: socket.socket) -> None:
        """Accept one client after another, each once a connection is free."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:  # such as too many open files
                self.refused(f"accept_{error.errno}")
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                await self._wait_for_connection()
            except asyncio.CancelledError:
                client.close()
                raise
            task = asyncio.create_task(self._serve(client))
            self._open[task] = None
            task.add_done_callback(self._open.pop)

    async def _wait_for_connection(self) -> None:
        """Wait for a free connection; close the one that has been idle longest."""
        while len(self._open) >= self.limits.connections:
            self.crowded = True
            resting = (task for task, one in self._open.items() if one is not None and one.resting)
            if (longest := next(resting, None)) is not None:
                longest.cancel()
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
        self.crowded = False

    async def _serve(self, client: socket.socket) -> None:
        """Serve one client, from its handshake to its end."""
        task = asyncio.current_task()
        assert task is not None
        reader = asyncio.StreamReader(READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        loop, tls = asyncio.get_running_loop(), self._access.tls
        seconds = self.limits.request_seconds if tls else None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, client, ssl=tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # no TLS, none that we speak, or too slow
            client.close()
            return self.refused("tls")
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            self._open[task] = connection = Connection(reader, writer, self)
            await connection.serve()
        finally:
            transport.abort() if task.cancelling() else transport.close()

    async def _close(self) -> None:
        """End all connections: idle ones at once, the others soon."""
        self.inbox.close()
        self.crowded = True
        for task, one in self._open.items():
            if one is None or one.resting:
                task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=_GRACE_S)
        await _ended(list(self._open))
        self.crowded = False


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
