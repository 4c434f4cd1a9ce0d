"""One client's connection: one request after another, each within limits of time and size."""

import asyncio
import email.utils
import json
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol, cast

import h11

from fl_client.sensors import InvalidPayload
from fl_client.sensors.packed import unpacked
from fl_client.sensors.transports import Delivery
from fl_client.sensors.transports.http.admission import Admission, Head, Refused
from fl_client.sensors.transports.http.inbox import Inbox, NoRoom, Reservation
from fl_client.sensors.transports.http.limits import HEADER_BYTES, Limits
from fl_common.errors import StoreError

READ_BYTES = 65_536
_LINGER_S = 2.0
_UNKEPT = {
    "full": HTTPStatus.SERVICE_UNAVAILABLE,
    "malformed_size": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "malformed_topic": HTTPStatus.NOT_FOUND,
}
"""The status by the reason why a message was not stored; BAD_REQUEST for any other reason."""


class Host(Protocol):
    """What a connection needs of its transport."""

    admission: Admission
    inbox: Inbox
    limits: Limits

    @property
    def crowded(self) -> bool:
        """Whether other clients wait for a connection: this one then ends after its request."""
        ...

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        ...


class Connection:
    """Call ``serve``. While ``resting``, no request has begun and it may be closed for others."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: Host
    ) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
        self.resting = False

    async def serve(self) -> None:
        """Answer requests until the client leaves or must be disconnected."""
        limits = self._host.limits
        with suppress(OSError):  # of a client that is gone, or sends or reads nothing in time
            wait_s = limits.request_seconds
            while await self._wait_for_request(wait_s) and await self._one():
                self._http.start_next_cycle()
                wait_s = limits.idle_seconds

    async def _wait_for_request(self, seconds: float) -> bool:
        """Wait for the first bytes of a request; False if the client ends the connection."""
        if self._http.trailing_data[0]:
            return True
        self.resting = True
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(READ_BYTES)
        finally:
            self.resting = False
        if data:
            self._http.receive_data(data)
        return bool(data)

    async def _one(self) -> bool:
        """Answer one request; returns whether another may follow."""
        try:
            reason = await self._outcome()
        except Refused as refused:
            self._host.refused(refused.reason)
            await self._answer(refused.status, refused.reason, refused.headers)
        except StoreError:
            await self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "store")
        else:
            if reason is None:
                await self._answer(HTTPStatus.NO_CONTENT, "")
            else:
                await self._answer(_UNKEPT.get(reason, HTTPStatus.BAD_REQUEST), reason)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    async def _outcome(self) -> str | None:
        """Read a request and store its message; the reason if it is not stored, else None.

        Raises:
            Refused: the request was refused.
            StoreError: the store could not be written.
        """
        inbox = self._host.inbox
        try:
            async with asyncio.timeout(self._host.limits.request_seconds) as limit:
                head = await self._head()
                with inbox.reserve() as reservation:
                    payload = await self._body(reservation)
                    if head.is_packed:
                        payload = self._unpacked(payload, reservation)
                    limit.reschedule(None)  # how long a commit takes is not the client's fault
                    named = bool(head.key)
                    return await inbox.store(
                        Delivery(head.address, payload, head.key, again=named, by_sender=named)
                    )
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "slow") from None
        except NoRoom:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy") from None

    async def _head(self) -> Head:
        event = await self._event()
        if not isinstance(event, h11.Request):
            raise Refused(HTTPStatus.BAD_REQUEST, "http")
        return self._host.admission.head(event)

    async def _body(self, reservation: Reservation) -> bytes:
        """The body; its bytes are added to ``reservation`` as they arrive."""
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._send(self._http.send(go_on))
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            if len(body) + len(event.data) > self._host.limits.payload_bytes:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size")
            reservation.grow(len(event.data))
            body += event.data
        if not isinstance(event, h11.EndOfMessage):
            raise Refused(HTTPStatus.BAD_REQUEST, "http")
        return bytes(body)

    def _unpacked(self, body: bytes, reservation: Reservation) -> bytes:
        """What a packed body has in it, within the bound of one that is not packed."""
        try:
            content = unpacked(body, self._host.limits.payload_bytes)
        except InvalidPayload as error:
            too_large = error.reason == "size"
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
            raise Refused(status, error.reason) from error
        reservation.grow(len(content))
        return content

    async def _event(self) -> h11.Event:
        """The next event of the request.

        Raises:
            Refused: the client does not speak HTTP/1.1.
        """
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise Refused(HTTPStatus(error.error_status_hint), "http") from error
            if event is not h11.NEED_DATA:
                return cast(h11.Event, event)
            self._http.receive_data(await self._reader.read(READ_BYTES))

    async def _answer(
        self, status: HTTPStatus, reason: str, headers: dict[str, str] | None = None
    ) -> None:
        """Send a response with the reason in its body."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = json.dumps({"reason": reason}).encode() + b"\n" if reason else b""
        fields = {"Date": email.utils.formatdate(usegmt=True), **(headers or {})}
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            fields["Retry-After"] = str(self._host.limits.retry_seconds)
        if body:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if self._http.their_state is not h11.DONE or self._host.crowded:
            fields["Connection"] = "close"
        parts = (
            h11.Response(status_code=status, headers=list(fields.items()), reason=status.phrase),
            *([h11.Data(data=body)] if body else []),
            h11.EndOfMessage(),
        )
        await self._send(b"".join(self._http.send(part) or b"" for part in parts))

    async def _send(self, data: bytes | None) -> None:
        self._writer.write(data or b"")
        async with asyncio.timeout(self._host.limits.request_seconds):
            await self._writer.drain()

    async def _linger(self) -> None:
        """Read on, so that the client sees the response before the end (RFC 9112, 9.6)."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = self._host.limits.payload_bytes
        async with asyncio.timeout(_LINGER_S):
            while left > 0 and (data := await self._reader.read(READ_BYTES)):
                left -= len(data)
