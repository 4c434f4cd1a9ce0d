"""Messages that have arrived and are not yet taken: bounded, since reading stops when it is full.

Contract: in order of arrival; nothing is dropped here. A full inbox stops reading from the socket,
so that the broker, and by TCP its senders, are held back.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from fl_client.sensors.intake import Delivery

_PACKETS_AT_ONCE = 64


class Inbox:
    """The inbox of one connection; at most ``messages`` or ``size`` bytes wait, and one more."""

    def __init__(self, client: Client, messages: int, size: int) -> None:
        self._client, self._messages, self._size = client, messages, size
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor: int | None = None
        self._failure: Exception | None = None

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read from the client's socket in ``loop`` from now on, many packets at a time."""
        socket = self._client.socket()
        if socket is not None:
            self._loop, self._descriptor = loop, socket.fileno()
            self._resume()

    def put(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        """Paho's callback: a message has come; it is not acknowledged by that."""
        topic = message._topic.decode("utf-8", "surrogateescape")  # the property raises
        payload = bytes(message.payload)
        self._waiting.append(
            Delivery(topic, payload, message.mid if message.qos else 0, bool(message.dup))
        )
        self._bytes += len(payload) + len(topic)
        self._arrived.set()

    async def next(self) -> list[Delivery]:
        """Everything that waits, at least one message.

        Raises:
            OSError: reading from the socket failed.
        """
        await self._arrived.wait()
        if self._failure:
            raise OSError(str(self._failure)) from self._failure
        batch = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._arrived.clear()
        self._resume()
        return batch

    def acknowledge(self, batch: Sequence[Delivery]) -> None:
        """Tell the broker that these are safe, in the order in which they came (MQTT 5, 4.6)."""
        for delivery in batch:
            if delivery.number:
                self._client.ack(delivery.number, 1)

    def discard(self) -> None:
        """Keep nothing more, but read on, so that the connection can end in order."""
        self._waiting = deque(maxlen=0)
        self._bytes, self._size = 0, 2**63
        self._resume()

    def close(self) -> None:
        """Stop reading; a connection that has not ended by now is cut."""
        socket = self._client.socket()
        if socket is not None and self._loop is not None and self._open():
            self._loop.remove_reader(socket.fileno())
            socket.close()
        self._descriptor = None

    def _resume(self) -> None:
        if self._loop is not None and self._descriptor is not None and self._open():
            self._loop.add_reader(self._descriptor, self._read)

    def _open(self) -> bool:
        """Whether the descriptor is still this connection's, and not one that came after it."""
        socket = self._client.socket()
        return socket is not None and socket.fileno() == self._descriptor

    def _read(self) -> None:
        """The socket has something: packets until it has none, or the inbox is full."""
        try:
            for _ in range(_PACKETS_AT_ONCE):
                before = len(self._waiting)
                self._client.loop_read()
                if self._full() or (len(self._waiting) == before and not self._decrypted()):
                    break
        except Exception as error:  # paho: any error of the socket or of a broken packet
            self._failure = error
            self._arrived.set()
        if self._full() and self._loop is not None and self._open():
            assert self._descriptor is not None
            self._loop.remove_reader(self._descriptor)

    def _full(self) -> bool:
        return len(self._waiting) >= self._messages or self._bytes >= self._size

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that the socket no longer shows."""
        socket = self._client.socket()
        return bool(socket is not None and hasattr(socket, "pending") and socket.pending())
