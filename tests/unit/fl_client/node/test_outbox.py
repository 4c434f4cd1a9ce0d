"""The publisher of events: in order, over lost connections, and only once where it can be."""

import asyncio
import atexit

from fl_client.node.outbox import TRY_AGAIN_S, Outbox
from fl_client.sensors.transports.mqtt.publishing import NotConnected, PublishRefused
from fl_client.sensors.transports.mqtt.transport import LinkStatus, MqttTransport
from fl_client.store.outbox import WaitingEvent
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import JSON, CloudEvent, MqttEvent

_LOOP = asyncio.new_event_loop()
atexit.register(_LOOP.close)


class Link(MqttTransport):
    """Gives each event a number of turns until it is acknowledged, or loses the connection."""

    def __init__(self, lost_at: frozenset[int] = frozenset()) -> None:
        self.status = LinkStatus()
        self.sent: list[str] = []
        self.in_flight, self.together = 0, list[int]()
        self.lost_at, self.calls = lost_at, 0
        self.forbidden: str | None = "forbidden"

    async def publish(self, topic: str, message: MqttEvent, *, retain: bool = False) -> None:
        self.calls += 1
        call = self.calls
        self.sent.append(dict(message.user_properties)["id"])
        self.in_flight += 1
        self.together.append(self.in_flight)
        for _ in range(1 + call % 3):
            await asyncio.sleep(0)
        self.in_flight -= 1
        if call in self.lost_at:
            raise NotConnected("cut")
        if topic == self.forbidden:
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

    _LOOP.run_until_complete(run())
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


def test_after_a_lost_connection_one_event_is_sent_alone_then_twice_as_many_each_time() -> None:
    """A broker that ends the connection at a refusal is heard only where nothing else is sent."""
    link = Link(lost_at=frozenset({5}))
    outbox = Outbox(link, Troubles())
    outbox.take(waiting(range(1, 41)), 0, outbox.progress())
    assert published(link, outbox, 40) == tuple(range(1, 41))
    assert link.together[:32] == list(range(1, 33))
    assert link.together[32:40] == [1, 1, 2, 1, 2, 3, 4, 1]


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
    outbox = Outbox(link, troubles, Timer())
    mixed = [one._replace(topic="forbidden") if one.number % 2 else one
             for one in waiting(range(1, 101))]  # fmt: skip
    outbox.take(mixed, 0, outbox.progress())
    published(link, outbox, 100)
    settled = dict(outbox.progress().settled)
    assert settled == {n: "not_authorized" if n % 2 else None for n in range(1, 101) if n != 99}
    assert 50 < len(link.sent) <= 66
    (trouble,) = troubles.current()
    assert trouble.part == "publishing to forbidden"


class Timer:
    """Seconds that a test sets."""

    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def refused(*numbers: int) -> tuple[Link, Outbox, Troubles, Timer]:
    """An outbox whose broker has refused these events on a topic, and published event 9."""
    link, troubles, timer = Link(), Troubles(), Timer()
    outbox = Outbox(link, troubles, timer)
    some = [one._replace(topic="forbidden") for one in waiting(range(1, 9))]
    outbox.take([one for one in some if one.number in numbers], 0, outbox.progress())
    outbox.take(waiting(range(9, 10)), 0, outbox.progress())
    published(link, outbox, 9)
    link.sent.clear()
    return link, outbox, troubles, timer


def test_the_newest_refused_event_of_a_topic_ends_its_trouble_once_the_broker_takes_it() -> None:
    link, outbox, troubles, timer = refused(1, 2)
    assert dict(outbox.progress().settled) == {1: "not_authorized", 9: None}
    link.forbidden = None
    timer.now_s += TRY_AGAIN_S
    outbox.take([], 0, outbox.progress())
    assert published(link, outbox, 2) == (2,)
    assert outbox.progress().settled == ((2, None),)
    assert link.sent == ["2"]
    assert not troubles.current()


def test_a_refused_event_is_not_published_after_a_later_one_of_its_topic() -> None:
    link, outbox, troubles, timer = refused(1)
    outbox.take([waiting(range(10, 11))[0]._replace(topic="forbidden")], 0, outbox.progress())
    assert published(link, outbox, 1) == (1,)  # given up for number 10
    assert outbox.progress().settled == ((1, "not_authorized"),)
    link.forbidden = None
    timer.now_s += TRY_AGAIN_S
    outbox.take([], 0, outbox.progress())
    published(link, outbox, 10)
    assert link.sent == ["10"]
    assert not troubles.current()


def test_a_refused_event_that_the_store_dropped_is_not_tried_again() -> None:
    link, outbox, _, timer = refused(1)
    timer.now_s += TRY_AGAIN_S
    outbox.take(waiting(range(10, 11)), 1, outbox.progress())
    assert published(link, outbox, 10) == (10,)
    assert link.sent == ["10"]


def test_a_topic_without_an_answer_to_its_retry_holds_up_no_other() -> None:
    link, outbox, _, timer = refused(1)
    link.lost_at = frozenset({link.calls + 1})
    timer.now_s += TRY_AGAIN_S
    outbox.take(waiting(range(10, 11)), 0, outbox.progress())
    assert published(link, outbox, 10) == (10,)
    assert link.sent == ["1", "10"]
