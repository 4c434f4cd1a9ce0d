"""Publishes the events that the store hands over, in order."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_client.store.outbox import PublishProgress, WaitingEvent
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import CloudEvent, to_mqtt

_WITHOUT_PROPERTIES = "3.1.1"
_LOOK_AGAIN_S = 0.2
_TRY_AGAIN_S = 300.0
_ANSWERS = "Look into the broker's log: its queue or its disk may be full"
_MAY_PUBLISH = "Give the node's user the right to publish there (mosquitto: acl_file)"
_TOGETHER = 32
"""Events published at once: to wait for the broker's acknowledgement of each would be slow."""
_HELD = 1000
"""Events in memory; the others wait in the store."""


class Outbox:
    """Publishes by ``link``; without one nothing is handed over.

    Contract: at most ``_HELD`` events are held; the store, which bounds and counts them, keeps each
    until the broker has it or refuses it. An event is published at least once. Where a connection
    is lost, what was not acknowledged is published again, in order. One that the broker refuses is
    not sent again; nor are those that follow to its topic for some minutes, since mosquitto 2.0
    with max_queued_messages 0 ends the connection each time.
    """

    def __init__(self, link: MqttTransport | None, troubles: Troubles) -> None:
        self._link, self._troubles = link, troubles
        self._waiting = deque[WaitingEvent]()
        self._filled = asyncio.Event()
        self._settled: list[tuple[int, str | None]] = []
        self._taken_to = 0
        self._refused: dict[str, tuple[str, float]] = {}  # topics: why, and until when

    def progress(self) -> PublishProgress:
        """What became of events since the store was told, and how many there is room for."""
        room = _HELD - len(self._waiting) if self._link is not None else 0
        return PublishProgress(tuple(self._settled), self._taken_to, room)

    def take(
        self, events: Sequence[WaitingEvent], dropped_to: int, progress: PublishProgress
    ) -> None:
        """Queue ``events``, and forget those up to number ``dropped_to``.

        The store knows by now what became of the events in ``progress``.
        """
        del self._settled[: len(progress.settled)]
        while self._waiting and self._waiting[0].number <= dropped_to:
            self._waiting.popleft()
        if events:
            self._waiting.extend(events)
            self._taken_to = events[-1].number
            self._filled.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            while self._waiting:
                await self._publish_all(list(islice(self._waiting, _TOGETHER)))
            self._filled.clear()
            await self._filled.wait()

    async def _publish_all(self, together: Sequence[WaitingEvent]) -> None:
        """Publish events at once, in order; those that the broker did not get stay first."""
        publishing = [self._publish(waiting.topic, waiting.event) for waiting in together]
        found = await asyncio.gather(*publishing, return_exceptions=True)
        for waiting, outcome in zip(together, found, strict=True):
            if isinstance(outcome, NotConnected):
                return await asyncio.sleep(_LOOK_AGAIN_S)
            if isinstance(outcome, BaseException):
                raise outcome
            self._settled.append((waiting.number, outcome))
            if self._waiting and self._waiting[0] is waiting:  # else it was dropped meanwhile
                self._waiting.popleft()
        return None

    async def _publish(self, topic: str, event: CloudEvent) -> str | None:
        """Publish; None once the broker has it, or its reason not to take it.

        Raises:
            NotConnected: it may not have it.
        """
        link, part = self._link, f"publishing to {topic}"
        clock = asyncio.get_running_loop().time
        assert link is not None
        reason, until = self._refused.get(topic, ("", 0.0))
        if clock() < until:
            return reason
        try:
            await publish_event(link, topic, event)
        except NotConnected as error:
            if link.status.connected:
                self._troubles.begin(part, str(error), _ANSWERS)
            raise
        except PublishRefused as refused:
            self._refused[topic] = refused.reason, clock() + _TRY_AGAIN_S
            cause = f"the broker refuses what is published there ({refused.reason})"
            self._troubles.begin(part, cause, _MAY_PUBLISH)
            return refused.reason
        self._troubles.end(part)
        return None


async def publish_event(
    link: MqttTransport, topic: str, event: CloudEvent, *, retain: bool = False
) -> None:
    """Publish ``event`` in the form of the connection's version. Raises as ``link.publish``."""
    has_properties = link.status.protocol != _WITHOUT_PROPERTIES
    await link.publish(topic, to_mqtt(event, has_properties=has_properties), retain=retain)
