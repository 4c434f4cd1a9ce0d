"""Events on their way to the broker: published in order, bounded, and counted when they go."""

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
from fl_common.events import CloudEvent, to_binary, to_structured

_NO_BROKER = "no_broker"
_WITHOUT_PROPERTIES = "3.1.1"
_LOOK_AGAIN_S = 0.2
_TOGETHER = 32
"""Events on their way at once: waiting for the broker's word after each one would be slow."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """An event for ``topic``; ``answer`` is the prediction it tells, None for a function's."""

    topic: str
    event: CloudEvent
    answer: PredictedWindow | None


class Outbox:
    """At most ``limit`` events wait; of more, the oldest are dropped and counted.

    Some are on their way at once: where the connection is lost, those may change places.

    Without a broker (``link`` None) nothing publishes them: they are counted, and that is all.

    A prediction that was dropped stays marked as not predicted in the store, and is made again when
    the node starts.
    """

    def __init__(self, limit: int, metrics: Metrics, link: MqttTransport | None) -> None:
        self._limit, self._metrics, self._link = limit, metrics, link
        self._waiting = deque[OutgoingMessage]()
        self._filled = asyncio.Event()
        self._sent: list[PredictedWindow] = []
        self._warned = False
        self.unpublished = 0
        """Events since the start that nothing published, for want of a broker."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, outgoing: OutgoingMessage) -> None:
        """Let ``outgoing`` go out in its turn."""
        if self._link is None:
            self.unpublished += 1
            self._metrics.unpublished.labels(_NO_BROKER).inc()
            self._told(outgoing)
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
        """The predictions that went out since the last call."""
        sent, self._sent = self._sent, []
        return sent

    async def run(self) -> None:
        """Publish what comes, in order, until this is cancelled."""
        while True:
            while self._waiting:
                together = list(islice(self._waiting, _TOGETHER))
                await asyncio.gather(*(self._publish(outgoing) for outgoing in together))
                self._gone(together)
            self._filled.clear()
            await self._filled.wait()

    def _gone(self, together: Sequence[OutgoingMessage]) -> None:
        """The broker has these, which are the oldest but for those dropped meanwhile."""
        for outgoing in together:
            if self._waiting and self._waiting[0] is outgoing:
                self._waiting.popleft()
            self._told(outgoing)
        self._metrics.published.inc(len(together))
        self._warned = False

    def _told(self, outgoing: OutgoingMessage) -> None:
        """Its prediction needs no further telling, and is marked in the store."""
        if outgoing.answer is not None:
            self._sent.append(outgoing.answer)

    async def _publish(self, outgoing: OutgoingMessage) -> None:
        """Returns when the broker has it."""
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
