"""Events that wait for the broker: published in order, bounded, and counted once sent."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from fl_client.node.metrics import Metrics
from fl_client.node.pipeline import PredictedWindow
from fl_client.sensors.transports.mqtt.transport import MqttTransport, NotConnected
from fl_common.wire.cloud_events import CloudEvent, to_binary, to_structured

_NO_BROKER = "no_broker"
_WITHOUT_PROPERTIES = "3.1.1"
_LOOK_AGAIN_S = 0.2
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

    Several are published at once, and may change their order if the connection is lost.

    Without a broker (``link`` None) events are only counted.

    A dropped prediction stays marked as not predicted in the store, and is made again when the node
    restarts.
    """

    def __init__(self, limit: int, metrics: Metrics, link: MqttTransport | None) -> None:
        self._limit, self._metrics, self._link = limit, metrics, link
        self._waiting = deque[OutgoingMessage]()
        self._filled = asyncio.Event()
        self._sent: list[PredictedWindow] = []
        self._warned = False
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
        self._metrics.published.inc(len(together))
        self._warned = False

    def _note_sent(self, outgoing: OutgoingMessage) -> None:
        """Note that the prediction was sent, so that it is marked in the store."""
        if outgoing.answer is not None:
            self._sent.append(outgoing.answer)

    async def _publish(self, outgoing: OutgoingMessage) -> None:
        """Publish until the broker has acknowledged it."""
        link = self._link
        assert link is not None
        while True:
            with suppress(NotConnected):
                if link.status.protocol == _WITHOUT_PROPERTIES:
                    return await link.publish(outgoing.topic, to_structured(outgoing.event), 1)
                message = to_binary(outgoing.event)
                return await link.publish(
                    outgoing.topic,
                    message.payload,
                    1,
                    message.content_type,
                    user_properties=dict(message.user_properties),
                )
            await asyncio.sleep(_LOOK_AGAIN_S)
