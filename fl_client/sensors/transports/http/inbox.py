"""Messages that have arrived over HTTP and are not yet stored, each with its waiting request.

Contract: messages are in order of arrival and bounded. What does not fit is refused before it is
accepted; no accepted message is dropped. All that wait when a commit ends share the next one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from fl_client.sensors.transports import Delivery, Take, finished
from fl_common.errors import StoreError


class NoRoom(Exception):
    """The inbox is full at the moment."""


class _Waiting(NamedTuple):
    delivery: Delivery
    outcome: asyncio.Future[str | None]


class Inbox:
    """At most ``messages`` arrive or wait, and take ``size`` bytes. For one event loop."""

    def __init__(self, messages: int, size: int) -> None:
        self._messages, self._size = messages, size
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self.count = self.bytes = 0
        """Number and bytes of the messages that arrive or wait."""

    def reserve(self) -> "Reservation":
        """Reserve room for one message; a context manager.

        Raises:
            NoRoom: the inbox is full.
        """
        if self.count >= self._messages:
            raise NoRoom
        return Reservation(self)

    def grow(self, size: int) -> None:
        """Take ``size`` more bytes.

        Raises:
            NoRoom: there are not as many left.
        """
        if self.bytes + size > self._size:
            raise NoRoom
        self.bytes += size

    async def store(self, delivery: Delivery) -> str | None:
        """Store ``delivery`` and return None, or the reason why it was not stored.

        Raises:
            StoreError: the store could not be written.
        """
        outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(delivery, outcome))
        self._arrived.set()
        return await outcome

    async def pump(self, take: Take) -> None:
        """Pass waiting messages to ``take`` and report the results, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = list(self._waiting)
            self._waiting.clear()
            await finished(_keep(batch, take))

    def close(self) -> None:
        """Tell waiting requests that nothing is stored any more."""
        for waiting in self._waiting:
            _resolve(waiting.outcome, StoreError("The node stops."))
        self._waiting.clear()


class Reservation:
    """The room that one message takes in ``inbox``, from its first byte to its response."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, self._size = inbox, 0

    def grow(self, size: int) -> None:
        """Take ``size`` more bytes.

        Raises:
            NoRoom: there are not as many left.
        """
        self._inbox.grow(size)
        self._size += size

    def __enter__(self) -> Self:
        self._inbox.count += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inbox.count -= 1
        self._inbox.bytes -= self._size


async def _keep(batch: Sequence[_Waiting], take: Take) -> None:
    try:
        reasons = await take([waiting.delivery for waiting in batch])
    except StoreError as error:
        for waiting in batch:
            _resolve(waiting.outcome, error)
    else:
        for waiting, reason in zip(batch, reasons, strict=True):
            _resolve(waiting.outcome, reason)


def _resolve(outcome: asyncio.Future[str | None], found: str | StoreError | None) -> None:
    if outcome.done():  # the request has been cancelled
        return
    if isinstance(found, StoreError):
        outcome.set_exception(found)
    else:
        outcome.set_result(found)
