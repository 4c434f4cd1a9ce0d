"""Says on the broker how the node is: a retained message, replaced whenever it changes.

It is ``online`` with what is wrong, ``offline`` after a stop; and where the connection breaks, the
broker publishes the last will that it was given, ``lost``.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from fl_client.node.outbox import TRY_AGAIN_S, publish_event
from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import JSON, CloudEvent

_EVERY_S = 1.0
_END_S = 2.0
_TYPE = "org.jointhedots.status.v1"
_MAY_PUBLISH = (
    "Give the node's user the right to publish there (mosquitto: acl_file), or set"
    " events.status=null"
)

Wrong = Sequence[Mapping[str, str]]
"""What is wrong, as JSON values."""


def status_event(source: str, state: str, wrong: Wrong, when: datetime | None) -> CloudEvent:
    """The event that says so; a last will, which is published later, has no time."""
    return CloudEvent(
        id=f"{state}/{when.isoformat() if when else 'will'}",
        source=source,
        type=_TYPE,
        time=when,
        datacontenttype=JSON,
        data={"state": state, "ok": state == "online" and not wrong, "wrong": list(wrong)},
    )


class Presence:
    """Publishes the health of ``source`` to ``topic`` by ``link``.

    What the broker refuses is tried again after ``TRY_AGAIN_S``. ``timer`` is a clock in seconds
    that nobody sets.
    """

    def __init__(
        self,
        link: MqttTransport,
        topic: str,
        source: str,
        troubles: Troubles,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link, self._topic, self._source, self._troubles = link, topic, source, troubles
        self._timer, self._refused_until = timer, 0.0
        self._over = False
        self._said: tuple[int, Wrong] | None = None
        link.last_will = topic, status_event(source, "lost", (), None)

    async def run(self, wrong: Callable[[], Wrong]) -> None:
        """Say what is ``wrong`` on each connection and at each change, until ``end`` is called."""
        while not self._over:
            await self.look(wrong())
            await asyncio.sleep(_EVERY_S)

    async def look(self, wrong: Wrong) -> None:
        """Say what is ``wrong``, if that has not been said on this connection."""
        now = self._link.status.connections, wrong
        due = now != self._said and self._timer() >= self._refused_until
        if self._link.status.connected and due and await self._say("online", wrong):
            self._said = now

    async def end(self) -> None:
        """Say that the node stops, if that can be said soon."""
        self._over = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._say("offline", ()), _END_S)

    async def _say(self, state: str, wrong: Wrong) -> bool:
        """Publish it; whether the broker has it."""
        part = f"publishing to {self._topic}"
        event = status_event(self._source, state, wrong, datetime.now(UTC))
        try:
            await publish_event(self._link, self._topic, event, retain=True)
        except NotConnected:
            return False
        except PublishRefused as refused:
            cause = f"the broker refuses what is published there ({refused.reason})"
            self._troubles.begin(part, cause, _MAY_PUBLISH)
            self._refused_until = self._timer() + TRY_AGAIN_S
            return False
        self._troubles.end(part)
        return True
