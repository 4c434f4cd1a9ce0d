"""A TCP proxy between a client and a server: it can cut the cable, or hide MQTT 5."""

import asyncio
from contextlib import suppress
from typing import Self

_CONNECT, _PROTOCOL_5 = 0x10, b"\x00\x04MQTT\x05"
_REFUSAL_OF_AN_OLD_BROKER = b"\x20\x02\x00\x01"  # CONNACK of 3.1.1: unacceptable version


class Proxy:
    """Forwards 127.0.0.1:``port`` to ``target``.

    ``old`` refuses MQTT 5 as a broker does that knows its word for that; ``silent`` closes the
    connection, as RabbitMQ before 3.13 does.
    """

    def __init__(self, target: int, old: bool = False, silent: bool = False) -> None:
        self._target, self.old, self.silent = target, old, silent
        self._whole = asyncio.Event()
        self._whole.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._left: int | None = None
        self.port = 0
        self.connections = 0

    def cut(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._whole.clear()

    def cut_after(self, size: int) -> None:
        """Cut as soon as about ``size`` bytes more have passed."""
        self._left = size

    def mend(self) -> None:
        """What is sent passes again; connections from before the cut stay dead."""
        for task in self._connections:
            task.cancel()
        self._whole.set()

    @property
    def whole(self) -> bool:
        """False after a cut."""
        return self._whole.is_set()

    def say(self, packet: bytes) -> None:
        """Send the newest client a packet that the broker did not send."""
        self._writers[-1].write(packet)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(OSError, asyncio.CancelledError):
            first = await reader.read(65536)
            modern = first[:1] == bytes([_CONNECT]) and _PROTOCOL_5 in first[:20]
            if modern and self.old:
                writer.write(_REFUSAL_OF_AN_OLD_BROKER)
            elif not (modern and self.silent):
                await self._join(first, reader, writer)
        writer.close()
        self._connections.discard(task)

    async def _join(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        far_writer.write(first)
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            far_writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(16384):
            if self._left is not None:
                self._left -= len(data)
                if self._left <= 0:
                    self._left = None
                    self.cut()
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
