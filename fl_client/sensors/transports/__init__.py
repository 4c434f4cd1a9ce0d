"""Transports: the ways by which messages come to a site, under one protocol.

A transport hands over what arrived and acknowledges it to the sender only after that is safe; so
whatever a crash, a cut or a full disk kept from being written is sent again. What it has taken in
and not handed over is bounded: it holds senders back, or refuses them, and drops nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

_T = TypeVar("_T")


class Delivery(NamedTuple):
    """A message as it arrived at ``address``, such as an MQTT topic or the path of a URL.

    ``identity`` tells it from a message of the same content; a repetition has it too. It is the
    transport's own, or with ``by_sender`` the sender's; empty where none is known. ``again``:
    this may be a repetition, so that the identity is looked up.
    """

    address: str
    payload: bytes
    identity: str = ""
    again: bool = False
    by_sender: bool = False


Taken = Sequence[str | None]
"""For each delivery of a batch None where it is safe, else the reason why it is not kept."""

Take = Callable[[Sequence[Delivery]], Awaitable[Taken]]
"""Makes a batch durable before it returns. StoreError: nothing of it was kept."""


async def finished(work: Awaitable[_T]) -> _T:
    """The result of ``work``, which goes to its end also where this is cancelled: a commit does."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    finally:
        await asyncio.gather(working, return_exceptions=True)


@dataclass(frozen=True)
class TransportState:
    """How a transport is at the moment: for health, status and metrics.

    ``fault`` says why no message can come where it is not ``up``. ``refused`` counts what was
    turned away before it was handed over, by reason; ``details`` are JSON values for the operator.
    """

    up: bool
    fault: str
    details: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


class Transport(Protocol):
    """One way by which messages come. Its constructor's arguments are its configuration."""

    def check(self, name: str, address: str) -> None:
        """Refuse an address that the sensor ``name`` can't have here.

        Raises:
            InvalidConfiguration: it is none of this transport.
        """
        ...

    def matches(self, declared: str, address: str) -> bool:
        """Whether a message that came to ``address`` belongs to who declares ``declared``."""
        ...

    async def run(self, addresses: Sequence[str], take: Take) -> None:
        """Hand batches of what comes to the declared ``addresses`` to ``take``, until cancelled.

        A message is acknowledged to its sender after ``take`` returned, and not otherwise. Where
        ``take`` raises StoreError the sender is to send again, and this goes on.

        Raises:
            InvalidConfiguration: it can't begin, such as on a port that is taken.
        """
        ...

    def state(self) -> TransportState:
        """How it is."""
        ...
