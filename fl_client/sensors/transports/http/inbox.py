"""Messages that have arrived over HTTP and are not yet kept: bounded, each with who waits for it.

Contract: in order of arrival; what does not fit is refused before it is taken, and nothing that was
taken is dropped. All that wait when a commit ends share the next one.
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
        """Of the messages that arrive or wait."""

    def place(self) -> "Place":
        """Room for one message, which is held as a context.

        Raises:
            NoRoom: as many as may be are there.
        """
        if self.count >= self._messages:
            raise NoRoom
        return Place(self)

    def grow(self, size: int) -> None:
        """Take ``size`` more bytes.

        Raises:
            NoRoom: there are not as many left.
        """
        if self.bytes + size > self._size:
            raise NoRoom
        self.bytes += size

    async def kept(self, delivery: Delivery) -> str | None:
        """Hand over ``delivery``; when it is kept, None, else the reason why it is not.

        Raises:
            StoreError: the store took nothing.
        """
        outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(delivery, outcome))
        self._arrived.set()
        return await outcome

    async def pump(self, take: Take) -> None:
        """Have ``take`` keep all that waits, tell those who wait, and again, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = list(self._waiting)
            self._waiting.clear()
            await finished(_keep(batch, take))

    def close(self) -> None:
        """Tell those who wait that nothing is kept any more."""
        for waiting in self._waiting:
            _tell(waiting.outcome, StoreError("The node stops."))
        self._waiting.clear()


class Place:
    """The room that one message takes in ``inbox``, from its first byte until it is answered."""

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
            _tell(waiting.outcome, error)
    else:
        for waiting, reason in zip(batch, reasons, strict=True):
            _tell(waiting.outcome, reason)


def _tell(outcome: asyncio.Future[str | None], found: str | StoreError | None) -> None:
    if outcome.done():  # who waited has gone
        return
    if isinstance(found, StoreError):
        outcome.set_exception(found)
    else:
        outcome.set_result(found)
