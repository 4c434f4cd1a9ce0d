"""Publishes the events that the store hands over, in order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_client.store.outbox import PublishProgress, WaitingEvent
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import CloudEvent, to_mqtt

_WITHOUT_PROPERTIES = "3.1.1"
_LOOK_AGAIN_S = 0.2
TRY_AGAIN_S = 300.0
"""After a refusal, until the broker is asked again: meanwhile somebody may have given the right."""
_ANSWERS = "Look into the broker's log: its queue or its disk may be full"
_MAY_PUBLISH = "Give the node's user the right to publish there (mosquitto: acl_file)"
_TOGETHER = 32
"""Events published at once: to wait for the broker's acknowledgement of each would be slow.

After a lost connection it is one, then twice as many each time: a broker that ends the connection
at a refusal is heard only so, as its answers are lost with a connection that is written to.
"""
_HELD = 1000
"""Events in memory; the others wait in the store."""


class _Refused(NamedTuple):
    """The newest event that the broker refuses on a topic: why, and until when it waits."""

    waiting: WaitingEvent
    reason: str
    until: float


class Outbox:
    """Publishes by ``link``; without one nothing is handed over.

    Contract: at most ``_HELD`` events are held, and one for each refused topic; the store, which
    bounds and counts them, keeps each until the broker has it or refuses it. An event is published
    at least once. Where a connection is lost, what was not acknowledged is published again, in
    order.

    Of the events that the broker refuses the newest of each topic waits and is tried again after
    ``TRY_AGAIN_S``, so that the trouble of a topic with rare events ends soon after its cause. The
    others are dropped, those that come meanwhile without being sent, since mosquitto 2.0 with
    max_queued_messages 0 ends the connection at each refusal.

    ``timer`` is a clock in seconds that nobody sets.
    """

    def __init__(
        self,
        link: MqttTransport | None,
        troubles: Troubles,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link, self._troubles, self._timer = link, troubles, timer
        self._waiting = deque[WaitingEvent]()
        self._filled = asyncio.Event()
        self._settled: list[tuple[int, str | None]] = []
        self._taken_to = self._dropped_to = 0
        self._flows, self._at_once = False, _TOGETHER
        self._refused: dict[str, _Refused] = {}  # by topic

    def progress(self) -> PublishProgress:
        """What became of events since the store was told, and how many there is room for."""
        room = _HELD - len(self._waiting) if self._link is not None else 0
        return PublishProgress(tuple(self._settled), self._taken_to, room, self._flows)

    def take(
        self, events: Sequence[WaitingEvent], dropped_to: int, progress: PublishProgress
    ) -> None:
        """Queue ``events``, and forget those up to number ``dropped_to``; call it often.

        The store knows by now what became of the events in ``progress``.
        """
        del self._settled[: len(progress.settled)]
        while self._waiting and self._waiting[0].number <= dropped_to:
            self._waiting.popleft()
        self._dropped_to = dropped_to
        for topic, refused in list(self._refused.items()):
            if refused.waiting.number <= dropped_to:
                del self._refused[topic]
        if events:
            self._waiting.extend(events)
            self._taken_to = events[-1].number
        if events or self._due():
            self._filled.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            while together := self._next():
                await self._publish_all(together)
            self._filled.clear()
            await self._filled.wait()

    def _next(self) -> Sequence[WaitingEvent]:
        """What to publish now: refused events whose time has come, then those that wait."""
        return self._due() or list(islice(self._waiting, self._at_once))

    def _due(self) -> list[WaitingEvent]:
        now = self._timer()
        due = (refused.waiting for refused in self._refused.values() if refused.until <= now)
        return list(islice(due, self._at_once))

    async def _publish_all(self, together: Sequence[WaitingEvent]) -> None:
        """Publish events at once, in order; those that the broker did not get stay first."""
        publishing = [self._publish(waiting) for waiting in together]
        found = await asyncio.gather(*publishing, return_exceptions=True)
        self._flows = not any(isinstance(outcome, NotConnected) for outcome in found)
        self._at_once = min(2 * self._at_once, _TOGETHER) if self._flows else 1
        for waiting, outcome in zip(together, found, strict=True):
            if isinstance(outcome, NotConnected):
                return await asyncio.sleep(_LOOK_AGAIN_S)
            if isinstance(outcome, BaseException):
                raise outcome
            self._settle(waiting, outcome)
            if self._waiting and self._waiting[0] is waiting:  # else it was dropped meanwhile
                self._waiting.popleft()
        return None

    def _settle(self, waiting: WaitingEvent, reason: str | None) -> None:
        """Note that the broker has an event, or its ``reason`` not to take it."""
        topic = waiting.topic
        before = self._refused.pop(topic, None)
        if before is not None and before.waiting is not waiting:
            self._settled.append((before.waiting.number, before.reason))
        if reason is None:
            self._settled.append((waiting.number, None))
            return self._troubles.end(_part(topic))
        cause = f"the broker refuses what is published there ({reason})"
        self._troubles.begin(_part(topic), cause, _MAY_PUBLISH)
        if waiting.number > self._dropped_to:
            until = before.until if before is not None else 0.0
            until = until if self._timer() < until else self._timer() + TRY_AGAIN_S
            self._refused[topic] = _Refused(waiting, reason, until)
        return None

    async def _publish(self, waiting: WaitingEvent) -> str | None:
        """Publish; None once the broker has it, or its reason not to take it.

        Raises:
            NotConnected: it may not have it.
        """
        link, refused = self._link, self._refused.get(waiting.topic)
        assert link is not None
        if refused is not None and self._timer() < refused.until:
            return refused.reason
        try:
            await publish_event(link, waiting.topic, waiting.event)
        except NotConnected as error:
            if link.status.connected:
                self._troubles.begin(_part(waiting.topic), str(error), _ANSWERS)
            if refused is not None:  # it holds up no other topic
                later = refused._replace(until=self._timer() + TRY_AGAIN_S)
                self._refused[waiting.topic] = later
            raise
        except PublishRefused as error:
            return error.reason
        return None


def _part(topic: str) -> str:
    return f"publishing to {topic}"


async def publish_event(
    link: MqttTransport, topic: str, event: CloudEvent, *, retain: bool = False
) -> None:
    """Publish ``event`` in the form of the connection's version. Raises as ``link.publish``."""
    has_properties = link.status.protocol != _WITHOUT_PROPERTIES
    await link.publish(topic, to_mqtt(event, has_properties=has_properties), retain=retain)
