"""One HTTP connection: h11 reads and writes HTTP/1.1 on a socket."""

import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import h11

from fl_client.sensors.transports.http.access import names_this_machine
from simulate.functions.replies import Replies, Reply, refused

_MOST_BYTES = 1 << 20
_MOST_HEAD = 64 << 10
_READ_BYTES = 64 << 10
_SLOW_S = 10.0


class _Refused(Exception):
    """A request that is not answered by the function."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Connection:
    """Answers requests one after the other; ``busier`` is told when one begins and ends.

    With ``only_here``, a request must name this machine, as that of no other's web page does.
    """

    def __init__(
        self, taken: socket.socket, replies: Replies, busier: Callable[[int], None], only_here: bool
    ) -> None:
        self._socket, self._replies = taken, replies
        self._busier, self._only_here = busier, only_here
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)
        taken.settimeout(_SLOW_S)

    def serve(self, ends: Callable[[], bool]) -> None:
        """Answer until the other side leaves, is too slow, or ``ends`` says so after a request.

        Raises:
            OSError: the connection broke.
        """
        while (first := self._socket.recv(_READ_BYTES)) and not ends():
            self._busier(1)
            try:
                self._http.receive_data(first)
                while self._one(ends) and self._http.trailing_data[0]:
                    pass  # another request came with it
            finally:
                self._busier(-1)
            if self._http.our_state is not h11.IDLE:
                return

    def _one(self, ends: Callable[[], bool]) -> bool:
        """Answer a request; False: the connection can't go on."""
        try:
            reply = self._reply()
        except _Refused as error:
            reply = refused(error.status, error.why)
        except h11.RemoteProtocolError as error:
            reply = refused(HTTPStatus(error.error_status_hint), str(error))
        except TimeoutError:
            reply = refused(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time")
        self._send(reply, ends())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE and not ends():
            self._http.start_next_cycle()
            return True
        return False

    def _reply(self) -> Reply:
        """Raises _Refused, TimeoutError or h11.RemoteProtocolError."""
        request = self._event()
        if not isinstance(request, h11.Request):
            raise _Refused(HTTPStatus.BAD_REQUEST, "no request came")
        fields = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
        host = next((value for name, value in fields if name == "host"), "")
        body = bytearray()
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self._socket.sendall(self._http.send(go_on) or b"")
        while isinstance(event := self._event(), h11.Data):
            body += event.data
            if len(body) > _MOST_BYTES:
                why = f"the body has more than {_MOST_BYTES:,} bytes"
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        if not isinstance(event, h11.EndOfMessage):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the request ended early")
        if self._only_here and not names_this_machine(host.encode("latin-1")):
            raise _Refused(HTTPStatus.FORBIDDEN, "it names another machine than this one")
        path = request.target.decode("ascii").partition("?")[0]
        return self._replies(request.method.decode(), path, fields, bytes(body))

    def _event(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self._socket.recv(_READ_BYTES))
        return cast(h11.Event, event)

    def _send(self, reply: Reply, last: bool) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        fields = [*reply.fields, ("Content-Length", str(len(reply.body)))]
        if reply.status == HTTPStatus.NO_CONTENT:
            fields.pop()
        if last or self._http.their_state is not h11.DONE:
            fields.append(("Connection", "close"))
        parts = [
            h11.Response(status_code=reply.status, headers=fields, reason=reply.status.phrase),
            *([h11.Data(data=reply.body)] if reply.body else []),
            h11.EndOfMessage(),
        ]
        self._socket.sendall(b"".join(self._http.send(part) or b"" for part in parts))
