"""The publisher of events: in order, over lost connections, and only once where it can be."""

import asyncio

from fl_client.node.outbox import Outbox
from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import LinkStatus, MqttTransport
from fl_client.store.outbox import WaitingEvent
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import JSON, CloudEvent, MqttEvent


class Link(MqttTransport):
    """Gives each event a number of turns until it is acknowledged, or loses the connection."""

    def __init__(self, lost_at: frozenset[int] = frozenset()) -> None:
        self.status = LinkStatus()
        self.sent: list[str] = []
        self._lost_at, self._calls = lost_at, 0

    async def publish(self, topic: str, message: MqttEvent, *, retain: bool = False) -> None:
        self._calls += 1
        call = self._calls
        self.sent.append(dict(message.user_properties)["id"])
        for _ in range(call % 3):
            await asyncio.sleep(0)
        if call in self._lost_at:
            raise NotConnected("cut")
        if topic == "forbidden":
            raise PublishRefused("not_authorized")


def waiting(numbers: range) -> list[WaitingEvent]:
    return [
        WaitingEvent(n, "t", CloudEvent(str(n), "urn:s", "t", datacontenttype=JSON, data=n))
        for n in numbers
    ]


def published(link: Link, outbox: Outbox, number: int) -> tuple[int, ...]:
    """What is acknowledged once ``number`` is."""

    async def run() -> None:
        running = asyncio.create_task(outbox.run())
        while number not in [one for one, _ in outbox.progress().settled]:
            await asyncio.sleep(0)
            if running.done():
                running.result()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    return tuple(one for one, _ in outbox.progress().settled)


def test_events_are_sent_in_order_and_each_once() -> None:
    link = Link()
    outbox = Outbox(link, Troubles())
    outbox.take(waiting(range(1, 100)), 0, outbox.progress())
    assert published(link, outbox, 99) == tuple(range(1, 100))
    assert link.sent == [str(n) for n in range(1, 100)]


def test_what_a_lost_connection_left_open_is_sent_again_before_what_follows() -> None:
    link = Link(lost_at=frozenset({5}))
    outbox = Outbox(link, Troubles())
    outbox.take(waiting(range(1, 41)), 0, outbox.progress())
    assert published(link, outbox, 40) == tuple(range(1, 41))
    assert link.sent[32:] == [str(n) for n in range(5, 41)]


def test_the_store_is_told_once_what_is_published_and_asked_for_what_there_is_room_for() -> None:
    link = Link()
    outbox = Outbox(link, Troubles())
    assert (outbox.progress().after, outbox.progress().room) == (0, 1000)
    outbox.take(waiting(range(1, 4)), 0, outbox.progress())
    assert (outbox.progress().after, outbox.progress().room) == (3, 997)
    published(link, outbox, 3)
    settled = outbox.progress()
    outbox.take([], 0, settled)
    assert outbox.progress().settled == ()
    assert (outbox.progress().after, outbox.progress().room) == (3, 1000)


def test_an_event_that_the_store_dropped_is_not_sent() -> None:
    link = Link()
    outbox = Outbox(link, Troubles())
    outbox.take(waiting(range(1, 4)), 0, outbox.progress())
    outbox.take(waiting(range(4, 6)), 3, outbox.progress())
    published(link, outbox, 5)
    assert link.sent == ["4", "5"]


def test_without_a_broker_nothing_is_asked_for() -> None:
    assert Outbox(None, Troubles()).progress().room == 0


def test_a_refused_topic_is_not_tried_again_at_once_and_holds_up_no_other() -> None:
    link, troubles = Link(), Troubles()
    outbox = Outbox(link, troubles)
    mixed = [one._replace(topic="forbidden") if one.number % 2 else one
             for one in waiting(range(1, 101))]  # fmt: skip
    outbox.take(mixed, 0, outbox.progress())
    published(link, outbox, 100)
    settled = outbox.progress().settled
    assert settled == tuple((n, "not_authorized" if n % 2 else None) for n in range(1, 101))
    assert 50 < len(link.sent) <= 66
    (trouble,) = troubles.current()
    assert trouble.part == "publishing to forbidden"
