"""Messages that have arrived over MQTT and are not yet taken, within bounds.

Contract: messages are in order of arrival, and none but a copy is dropped here. A full inbox stops
reading from the socket, so that TCP holds back the broker and its senders.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from fl_client.sensors.transports import Delivery
from fl_client.sensors.transports.mqtt.overlap import Copies

_PACKETS_AT_ONCE = 64
_PUBACK, _PUBACK_OF_2 = 0x40, b"\x40\x02"
_QOS, _AGAIN, _RETAINED = 0x06, 0x08, 0x01  # bits of a PUBLISH packet's first byte


class Batch(NamedTuple):
    """Messages, and the packet identifiers to acknowledge; 0 for one without (QoS 0).

    Copies of messages have identifiers alone.
    """

    deliveries: list[Delivery]
    numbers: list[int]


class Inbox:
    """The inbox of one connection; at most ``messages`` or ``size`` bytes wait, and one more.

    It handles the packets sent to ``client``; ``properties``: packets have properties (MQTT 5).
    """

    def __init__(self, client: Client, properties: bool, messages: int, size: int) -> None:
        self._client, self._messages, self._size = client, messages, size
        self._properties = properties
        client._handle_publish = self._publish  # type: ignore[method-assign]
        self._waiting: deque[tuple[Delivery | None, int]] = deque()
        self.copies: Copies | None = None
        """Which messages are dropped as copies; None: none is."""
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor: int | None = None
        self._failure: Exception | None = None

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading from the client's socket in ``loop``, many packets at a time."""
        socket = self._client.socket()
        if socket is not None:
            self._loop, self._descriptor = loop, socket.fileno()
            self._resume()

    def _publish(self) -> MQTTErrorCode:
        """Replaces paho's handler of PUBLISH packets (MQTT 5, 3.3); does not acknowledge them.

        Paho builds an object for each packet's properties, which takes most of its time.
        """
        packet, command = self._client._in_packet["packet"], self._client._in_packet["command"]
        end = 2 + int.from_bytes(packet[:2])
        topic, number = packet[2:end].decode("utf-8", "surrogateescape"), 0
        if command & _QOS:
            number = int.from_bytes(packet[end : end + 2])
            end += 2
        properties = end
        if self._properties:
            end += _length_of_properties(packet, end)
        payload = bytes(packet[end:])
        again, retained = bool(command & _AGAIN), bool(command & _RETAINED)
        delivery = Delivery(topic, payload, str(number), again, retained=retained)
        is_copy = self.copies and self.copies.is_one(topic, payload, bytes(packet[properties:end]))
        self._waiting.append((None if is_copy else delivery, number))
        self._bytes += len(packet)
        self._arrived.set()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    async def next(self) -> Batch:
        """All waiting messages; waits for at least one.

        Raises:
            OSError: reading from the socket failed.
        """
        await self._arrived.wait()
        if self._failure:
            raise OSError(str(self._failure)) from self._failure
        deliveries, numbers = zip(*self._waiting, strict=True)
        self._waiting.clear()
        self._bytes = 0
        self._arrived.clear()
        self._resume()
        return Batch([one for one in deliveries if one is not None], list(numbers))

    def acknowledge(self, batch: Batch) -> None:
        """Acknowledge the batch to the broker, in order of arrival (MQTT 5, section 4.6).

        Sends all PUBACK packets (section 3.4) in one write.
        """
        packets = b"".join(
            [_PUBACK_OF_2 + number.to_bytes(2) for number in batch.numbers if number]
        )
        if packets:
            self._client._packet_queue(_PUBACK, packets, 0, 0)

    def discard(self) -> None:
        """Drop further messages, but read on, so that the connection can end in order."""
        self._waiting = deque(maxlen=0)
        self._bytes, self._size = 0, 2**63
        self._resume()

    def close(self) -> None:
        """Stop reading, and cut the connection if it has not ended."""
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
        """Handle the socket's packets until it has no more or the inbox is full."""
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


def _length_of_properties(packet: bytes | bytearray, start: int) -> int:
    """The size in bytes of the properties at ``start``, with their length (MQTT 5, 1.5.5)."""
    length = shift = 0
    for position in range(4):
        byte = packet[start + position]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return position + 1 + length
        shift += 7
    raise ValueError("a length of more than four bytes")
