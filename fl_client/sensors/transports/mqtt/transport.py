"""MQTT as a transport: the site's one connection to the broker, readings in, predictions out.

A message is acknowledged after ``take`` has made it durable. So the broker sends it again if a
crash, a lost connection or a full disk prevented that. The session is persistent. Messages that
have arrived and are not yet taken are bounded: by MQTT 5's Receive Maximum, and by not reading from
the socket while ``inbox_bytes`` or ``in_flight`` messages wait, so that TCP holds a flood back.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
from paho.mqtt.client import topic_matches_sub

from fl_client.sensors.transports import Take, TransportState, finished
from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.client import LastWill, new_client
from fl_client.sensors.transports.mqtt.faults import (
    CONNECTING,
    TAKEN_OVER,
    UNSUPPORTED_VERSION,
    LinkFault,
    fault_of,
    reason_of,
    taken_over,
)
from fl_client.sensors.transports.mqtt.filters import check_filter
from fl_client.sensors.transports.mqtt.handshake import Handshake
from fl_client.sensors.transports.mqtt.inbox import Inbox
from fl_client.sensors.transports.mqtt.overlap import Copies, overlapping
from fl_client.sensors.transports.mqtt.publishing import NotConnected, Publishing
from fl_client.sensors.transports.mqtt.session import Session
from fl_client.sensors.transports.mqtt.subscriptions import Subscriptions
from fl_common.errors import StoreError
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import MqttEvent

_LOG = logging.getLogger(__name__)
_ENDED_TOO_OFTEN = 3  # connections in a row
_TOO_SILENT = 2  # connections in a row
_QOS_0 = (
    "%s:%d allows QoS 0 only: messages and predictions are lost without a word when a connection"
    " breaks. Allow QoS 1 there (mosquitto: max_qos)"
)
_V5, _V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@dataclass
class LinkStatus:
    """The status of the connection, for the operator."""

    connected: bool = False
    protocol: str = "5"
    most_qos: int = 1
    connections: int = 0
    taken_over: int = 0
    """How often another client with the same identity took over the session."""
    sessions_lost: int = 0
    """How often the broker had no session any more, and so nothing that it had kept."""
    fault: LinkFault = CONNECTING
    """Why it ended last."""


class MqttTransport:
    """Keeps a connection while ``run`` runs; addresses are topic filters.

    An exception from ``take`` ends the connection, so that the broker sends the messages again.
    """

    def __init__(
        self,
        broker: Broker,
        chance: random.Random,
        troubles: Troubles,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        home: Path | None = None,
    ) -> None:
        self._broker, self._chance, self._sleep = broker, chance, sleep
        self._troubles, self._session_there = troubles, Session(broker, home)
        self._protocol = _V5
        self._refused = Counter[str]()
        self._unanswered = 0  # connections with MQTT 5 in a row; -1: the broker speaks it
        self._failures = self._ended = 0  # in a row; the latter: connections that ended soon
        self._had_refusals = False  # the last connection
        self._publishing: Publishing | None = None
        self.last_will: LastWill | None = None
        """Set before ``run``; None: there is none."""
        self.status = LinkStatus()

    def check(self, name: str, address: str) -> None:
        """See ``Transport``."""
        check_filter(name, address)

    def matches(self, declared: str, address: str) -> bool:
        """See ``Transport``."""
        return topic_matches_sub(declared, address)

    def state(self) -> TransportState:
        """See ``Transport``."""
        status = self.status
        details = {
            "connected": status.connected,
            "protocol": status.protocol,
            "most_qos": status.most_qos,
            "sessions_lost": status.sessions_lost,
        }
        fault = status.fault
        return TransportState(status.connected, fault.cause, details, self._refused, fault.remedy)

    async def run(self, addresses: Sequence[str], take: Take) -> None:
        """Connect, listen, and reconnect, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started, connections = loop.time(), self.status.connections
            try:
                await self._session(addresses, take)
            except (aiomqtt.MqttError, StoreError, OSError) as error:
                if self._falls_back(error):
                    continue
                if loop.time() - started > self._broker.retry_most:
                    self._failures = self._ended = 0
                self._failures += 1
                if self.status.connections > connections and not self._is_explained(error):
                    self._ended += 1
                await self._sleep(self._pause(error))

    async def publish(self, topic: str, message: MqttEvent, *, retain: bool = False) -> None:
        """See ``Publishing.publish``, which this calls on the connection of the moment."""
        if self._publishing is None:
            raise NotConnected("no connection to the broker")
        await self._publishing.publish(topic, message, retain=retain)

    async def _session(self, topics: Sequence[str], take: Take) -> None:
        """One connection, from its start to the error that ends it."""
        client = new_client(self._broker, self._protocol, self.last_will)
        paho = client._client  # aiomqtt would acknowledge before a message is safe
        modern = self._protocol is _V5
        inbox = Inbox(paho, modern, self._broker.in_flight, self._broker.inbox_bytes)
        publishing, said = Publishing(paho), Handshake(client, modern=modern)
        if modern and overlapping(topics):
            inbox.copies = Copies(self._refused)
        try:
            async with client:
                inbox.listen(asyncio.get_running_loop())
                listening = self._listen(client, topics, publishing, said)
                try:
                    await _first_error(listening, _pump(inbox, take))
                finally:
                    inbox.discard()
        finally:
            self._note_version(said)
            self._publishing, self.status.connected = None, False
            self._had_refusals = publishing.has_refusals
            publishing.end()
            inbox.close()
            if client._disconnected.done() and not client._disconnected.cancelled():
                client._disconnected.exception()  # retrieved, so that asyncio does not log it

    async def _listen(
        self,
        client: aiomqtt.Client,
        topics: Sequence[str],
        publishing: Publishing,
        said: Handshake,
    ) -> None:
        """Subscribe, and wait for the connection's end.

        Messages of the persistent session arrive before the SUBACK; they are taken meanwhile.
        """
        self._session_there.begin(said)
        self.status.sessions_lost = self._session_there.lost
        identifying = said.has_identifiers
        subscriptions = Subscriptions(client, self._troubles, has_identifiers=identifying)
        await subscriptions.give_up(self._session_there.outdated(topics))
        self._session_there.asks_for(topics)
        await subscriptions.ask_for(topics)
        if subscriptions.least_qos < 1:
            publishing.most_qos = 0
        if publishing.most_qos < 1:
            _LOG.warning(_QOS_0, self._broker.host, self._broker.port)
        self._publishing = publishing
        self.status.connected, self.status.protocol = True, self._version
        self.status.connections, self.status.most_qos = (
            self.status.connections + 1,
            publishing.most_qos,
        )
        _LOG.info("connected to %s:%d with MQTT %s as %s", self._broker.host, self._broker.port,
                  self._version, self._broker.identity)  # fmt: skip
        await _first_error(_ended(client), self._ask_again(subscriptions))

    async def _ask_again(self, subscriptions: Subscriptions) -> None:
        """Ask for the refused topics from time to time, as somebody may give the right to them."""
        while True:
            await self._sleep(self._broker.retry_most)
            await subscriptions.ask_for(subscriptions.refused)

    def _is_explained(self, error: Exception) -> bool:
        """Whether a connection ended for a reason of its own, so that nobody took over."""
        return isinstance(error, StoreError) or self._had_refusals

    @property
    def _version(self) -> str:
        return "5" if self._protocol is _V5 else "3.1.1"

    def _note_version(self, said: Handshake) -> None:
        """Note whether the broker answered to MQTT 5; if it has not before, try that next."""
        if self._protocol is _V5:
            self._unanswered = -1 if said.answered else self._unanswered
            self._unanswered += said.unanswered and self._unanswered >= 0
        elif self._unanswered:
            self._protocol = _V5
            self._unanswered = _TOO_SILENT - 1 if said.answered else 0

    def _falls_back(self, error: Exception) -> bool:
        """Whether the broker does not support MQTT 5, so that 3.1.1 should be tried at once.

        A broker that closes the connection without an answer, or gives none, may be of that kind,
        or be about to stop: then MQTT 5 is tried again with the next connection.
        """
        unsupported = reason_of(error) == UNSUPPORTED_VERSION
        if self._protocol is _V311 or not (unsupported or self._unanswered >= _TOO_SILENT):
            return False
        self._protocol = _V311
        if unsupported:
            self._unanswered = 0
        _LOG.warning("the broker %s MQTT 5: going on with MQTT 3.1.1",
                     "does not know" if unsupported else "does not answer to")  # fmt: skip
        return True

    def _pause(self, error: Exception) -> float:
        """Log the error and its remedy; returns the seconds to wait.

        MQTT 5 has a reason code for a session that another client took over. MQTT 3.1.1 has none,
        and not all brokers send it, so connections that repeatedly end soon count as one, too.
        """
        broker, status = self._broker, self.status
        said = reason_of(error) == TAKEN_OVER
        if said or self._ended >= _ENDED_TOO_OFTEN:
            status.taken_over += 1
            seconds = broker.taken_over_seconds * self._chance.uniform(1, 1.5)
            status.fault = taken_over(broker.identity, by_the_broker=said)
        else:
            longest = broker.retry_first * 2.0 ** min(self._failures - 1, 30)
            seconds = min(longest, broker.retry_most) * self._chance.uniform(0.5, 1)
            status.fault = fault_of(error)
        _LOG.warning("%s:%d: %s; trying again in %.1f s. %s", broker.host, broker.port,
                     status.fault.cause, seconds, status.fault.remedy)  # fmt: skip
        return seconds


async def _ended(client: aiomqtt.Client) -> None:
    """Wait for the connection's end; the inbox gets its messages."""
    async for _ in client.messages:
        pass


async def _pump(inbox: Inbox, take: Take) -> None:
    """Take and acknowledge arrived messages in a loop: one group commit after another."""
    while True:
        batch = await inbox.next()
        if batch.deliveries:
            await finished(take(batch.deliveries))
        inbox.acknowledge(batch)


async def _first_error(*running: Awaitable[None]) -> None:
    """Run all until one ends; cancel the others, and raise its error."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
