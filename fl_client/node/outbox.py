"""Events that wait for the broker: published in order, bounded, and counted once sent."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from fl_client.node.metrics import Metrics
from fl_client.node.pipeline import PredictedWindow
from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import CloudEvent, to_binary, to_structured

_NO_BROKER = "no_broker"
_WITHOUT_PROPERTIES = "3.1.1"
_LOOK_AGAIN_S = 0.2
_TRY_AGAIN_S = 300.0
_ANSWERS = "Look into the broker's log: its queue or its disk may be full"
_MAY_PUBLISH = "Give the node's user the right to publish there (mosquitto: acl_file)"
_TOGETHER = 32
"""Events published at once: to wait for the broker's acknowledgement of each would be slow."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """An event for ``topic``; ``answer`` is its prediction, None for a function's event."""

    topic: str
    event: CloudEvent
    answer: PredictedWindow | None


class Outbox:
    """A queue of at most ``limit`` events; beyond that the oldest are dropped and counted.

    Several are published at once, and may change their order if the connection is lost. One that
    the broker refuses is counted and not sent again; nor are those that follow to its topic for
    some minutes, since mosquitto 2.0 with max_queued_messages 0 ends the connection each time.

    Without a broker (``link`` None) events are only counted.

    A dropped prediction stays marked as not predicted in the store, and is made again when the node
    restarts.
    """

    def __init__(
        self, limit: int, metrics: Metrics, link: MqttTransport | None, troubles: Troubles
    ) -> None:
        self._limit, self._metrics, self._link, self._troubles = limit, metrics, link, troubles
        self._waiting = deque[OutgoingMessage]()
        self._filled = asyncio.Event()
        self._sent: list[PredictedWindow] = []
        self._warned = False
        self._refused: dict[str, tuple[str, float]] = {}  # topics: why, and until when
        self.unpublished = 0
        """Events since the start that were not published for lack of a broker."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, outgoing: OutgoingMessage) -> None:
        """Queue ``outgoing``."""
        if self._link is None:
            self.unpublished += 1
            self._metrics.unpublished.labels(_NO_BROKER).inc()
            self._note_sent(outgoing)
            return
        self._waiting.append(outgoing)
        if len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._metrics.dropped.inc()
            if not self._warned:
                self._warned = True
                _logger.warning(
                    "%d events wait for the broker, and the oldest are dropped from now on. Check"
                    " the broker, or raise events.waiting.",
                    self._limit,
                )
        self._filled.set()

    def sent(self) -> list[PredictedWindow]:
        """The predictions that were sent since the last call."""
        sent, self._sent = self._sent, []
        return sent

    async def run(self) -> None:
        """Publish queued events, in order, until cancelled."""
        while True:
            while self._waiting:
                together = list(islice(self._waiting, _TOGETHER))
                await asyncio.gather(*(self._publish(outgoing) for outgoing in together))
                self._finish(together)
            self._filled.clear()
            await self._filled.wait()

    def _finish(self, together: Sequence[OutgoingMessage]) -> None:
        """Remove events that the broker has; some may have been dropped meanwhile."""
        for outgoing in together:
            if self._waiting and self._waiting[0] is outgoing:
                self._waiting.popleft()
            self._note_sent(outgoing)
        self._warned = False

    def _note_sent(self, outgoing: OutgoingMessage) -> None:
        """Note that the prediction was sent, so that it is marked in the store."""
        if outgoing.answer is not None:
            self._sent.append(outgoing.answer)

    async def _publish(self, outgoing: OutgoingMessage) -> None:
        """Publish until the broker has acknowledged or refused it."""
        link, part = self._link, f"publishing to {outgoing.topic}"
        clock = asyncio.get_running_loop().time
        assert link is not None
        while True:
            reason, until = self._refused.get(outgoing.topic, ("", 0.0))
            if clock() < until:
                return self._metrics.refused.labels(reason).inc()
            try:
                await publish_event(link, outgoing.topic, outgoing.event)
            except NotConnected as error:
                if link.status.connected:
                    self._troubles.begin(part, str(error), _ANSWERS)
                await asyncio.sleep(_LOOK_AGAIN_S)
            except PublishRefused as refused:
                self._refused[outgoing.topic] = refused.reason, clock() + _TRY_AGAIN_S
                cause = f"the broker refuses what is published there ({refused.reason})"
                self._troubles.begin(part, cause, _MAY_PUBLISH)
            else:
                self._metrics.published.inc()
                return self._troubles.end(part)


async def publish_event(
    link: MqttTransport, topic: str, event: CloudEvent, *, retain: bool = False
) -> None:
    """Publish ``event`` in the form of the connection's version. Raises as ``link.publish``."""
    if link.status.protocol == _WITHOUT_PROPERTIES:
        return await link.publish(topic, to_structured(event), 1, retain=retain)
    binary = to_binary(event)
    properties = dict(binary.user_properties)
    return await link.publish(
        topic, binary.payload, 1, binary.content_type, properties, retain=retain
    )
