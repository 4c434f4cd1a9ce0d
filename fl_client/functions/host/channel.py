"""Messages between the sensing process and its function host: JSON of limited size on a socket."""

import json
import socket
import time
from typing import Any, NoReturn

_LENGTH = 4
MOST_BYTES = 4 << 20
"""Of one message: some thousand events, or what a function remembers."""


class ChannelError(Exception):
    """The other side is gone (``ended``), took too long (``slow``), or its ``answer`` is none."""

    def __init__(self, text: str, reason: str = "answer") -> None:
        super().__init__(text)
        self.reason = reason


class Channel:
    """One side of the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: Any, seconds: float | None = None) -> None:
        """Send a message, which must be taken within ``seconds``; None: whenever it is.

        Raises:
            ChannelError: it is too large, or the other side is gone or does not read.
            ValueError, TypeError: it is no JSON.
        """
        body = json.dumps(message, allow_nan=False).encode()
        if len(body) > MOST_BYTES:
            raise ChannelError(f"a message has {len(body)} bytes; {MOST_BYTES} are allowed")
        try:
            self._connection.settimeout(seconds)
            self._connection.sendall(len(body).to_bytes(_LENGTH, "big") + body)
        except TimeoutError as error:
            raise ChannelError(f"it did not read within {seconds:g} s", "slow") from error
        except OSError as error:
            raise ChannelError("its process ended", "ended") from error

    def receive(self, seconds: float | None = None) -> Any:
        """The next message, which must be whole within ``seconds``; None: whenever it comes.

        Raises:
            ChannelError: see the class.
        """
        until = None if seconds is None else time.monotonic() + seconds
        length = int.from_bytes(self._exactly(_LENGTH, until, seconds), "big")
        if length > MOST_BYTES:
            raise ChannelError(f"it answered with {length} bytes; {MOST_BYTES} are allowed")
        body = self._exactly(length, until, seconds)
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ChannelError("its answer is no JSON") from error

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _exactly(self, length: int, until: float | None, seconds: float | None) -> bytes:
        found = bytearray()
        while len(found) < length:
            try:
                left = None if until is None else max(1e-3, until - time.monotonic())
                self._connection.settimeout(left)
                piece = self._connection.recv(length - len(found))
            except TimeoutError as error:
                raise ChannelError(f"it did not answer within {seconds:g} s", "slow") from error
            except OSError as error:
                raise ChannelError("its process ended", "ended") from error
            if not piece:
                raise ChannelError("its process ended", "ended")
            found += piece
        return bytes(found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
