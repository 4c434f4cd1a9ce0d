"""What a node says of its health on the broker, and what it does where the broker refuses that."""

import asyncio
import json

from fl_client.node.outbox import TRY_AGAIN_S
from fl_client.node.presence import Presence
from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import LinkStatus, MqttTransport
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import MqttEvent

STORE = [{"part": "store", "cause": "full", "remedy": "Free it", "since": "2026-01-01T00:00:00Z"}]


class Link(MqttTransport):
    """A connection whose answer to a publication a test sets."""

    def __init__(self) -> None:
        self.status = LinkStatus(connected=True, connections=1)
        self.said: list[bool] = []
        self.answer: Exception | None = None
        self.now_s = 10.0

    async def publish(self, topic: str, message: MqttEvent, *, retain: bool = False) -> None:
        self.said.append(json.loads(message.payload)["ok"])
        if self.answer is not None:
            raise self.answer


def presence(link: Link, troubles: Troubles) -> Presence:
    return Presence(link, "status/box", "urn:s", troubles, lambda: link.now_s)


def test_it_is_said_on_each_connection_and_at_each_change() -> None:
    link = Link()
    speaker = presence(link, Troubles())
    for wrong, connections in (([], 1), ([], 1), (STORE, 1), (STORE, 2), (STORE, 2)):
        link.status.connections = connections
        asyncio.run(speaker.look(wrong))
    assert link.said == [True, False, False]


def test_what_the_broker_refused_is_said_again_later_and_ends_its_trouble() -> None:
    link, troubles = Link(), Troubles()
    speaker = presence(link, troubles)
    link.answer = PublishRefused("not_authorized")
    for wrong, connections in (([], 1), (STORE, 1), (STORE, 2)):  # some end the connection
        link.status.connections = connections
        asyncio.run(speaker.look(wrong))
    assert link.said == [True]
    assert [trouble.part for trouble in troubles.current()] == ["publishing to status/box"]
    link.answer, link.now_s = None, link.now_s + TRY_AGAIN_S
    asyncio.run(speaker.look(STORE))
    assert link.said == [True, False]
    assert not troubles.current()


def test_what_the_broker_did_not_get_is_said_again() -> None:
    link = Link()
    speaker = presence(link, Troubles())
    link.answer = NotConnected("no answer")
    asyncio.run(speaker.look([]))
    link.answer = None
    asyncio.run(speaker.look([]))
    asyncio.run(speaker.look([]))
    assert link.said == [True, True]
