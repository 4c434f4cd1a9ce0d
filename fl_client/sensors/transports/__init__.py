"""Transports: the ways in which messages reach a site, under one protocol.

A transport hands over messages and acknowledges each to its sender only once it is stored. So a
message that a crash, a lost connection or a full disk kept from being stored is sent again. The
messages it holds are bounded: it holds senders back or refuses them, and drops no message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

_T = TypeVar("_T")


class Delivery(NamedTuple):
    """A message as it arrived at ``address``, such as an MQTT topic or the path of a URL.

    ``identity`` distinguishes it from other messages with the same content; a repetition has the
    same one. It is the transport's own, or with ``by_sender`` the sender's; empty if unknown.
    ``again``: this may be a repetition, so the identity must be looked up. ``retained``: the broker
    had kept it, for whoever listens anew.
    """

    address: str
    payload: bytes
    identity: str = ""
    again: bool = False
    by_sender: bool = False
    retained: bool = False


Taken = Sequence[str | None]
"""For each delivery of a batch None if it is stored, else the reason why not."""

Take = Callable[[Sequence[Delivery]], Awaitable[Taken]]
"""Makes a batch durable before it returns. StoreError: not all of it was stored."""


async def finished(work: Awaitable[_T]) -> _T:
    """The result of ``work``, which runs to its end even if this is cancelled, as a commit must.

    That holds for a second cancellation, too.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    finally:
        while not working.done():
            with suppress(asyncio.CancelledError):  # one is on its way already
                await asyncio.wait([working])
        await asyncio.gather(working, return_exceptions=True)


@dataclass(frozen=True)
class TransportState:
    """The current state of a transport, for health, status and metrics.

    ``fault`` says why no message can arrive if it is not ``up``, and ``remedy`` what to do, where
    that is not to look at its section of the configuration; neither ends with a full stop.
    ``refused`` counts messages that were refused before they were handed over, by reason;
    ``details`` are JSON values for operators.
    """

    up: bool
    fault: str
    details: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    remedy: str = ""


class Transport(Protocol):
    """One way for messages to arrive. The constructor's arguments are its configuration."""

    def check(self, name: str, address: str) -> None:
        """Refuse an address that the sensor ``name`` can't have here.

        Raises:
            InvalidConfiguration: it is not an address of this transport.
        """
        ...

    def matches(self, declared: str, address: str) -> bool:
        """Whether the declared address ``declared`` covers a message to ``address``."""
        ...

    async def run(self, addresses: Sequence[str], take: Take) -> None:
        """Pass batches of messages for the declared ``addresses`` to ``take``, until cancelled.

        A message is acknowledged to its sender only after ``take`` has returned. If ``take`` raises
        StoreError, the sender must send again, and this continues.

        Raises:
            InvalidConfiguration: it can't start, for example because the port is taken.
        """
        ...

    def state(self) -> TransportState:
        """The current state."""
        ...
