"""Kinds of brokers: without MQTT 5, without a memory, with a copy for each subscription."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from paho.mqtt.publish import single

from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.intake import Intake
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports.mqtt.overlap import covers, overlap, uncovered
from tests.support.edge import NOW, TASK, Node, Publisher, broker_of, payload, publish, sensor
from tests.support.mosquitto import Mosquitto
from tests.support.proxy import Proxy
from tests.support.sources import ROOT

KINDS = {"5": {}, "3.1.1": {"old": True}, "3.1.1 in silence": {"silent": True}}


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.mark.parametrize("kind", ["3.1.1", "3.1.1 in silence"])
def test_a_broker_without_mqtt_5(tmp_path: Path, mosquitto: Mosquitto, kind: str) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port, **KINDS[kind]) as proxy:
            node = Node(tmp_path, broker_of(proxy.port))
            async with node.running():
                await node.connected()
                assert node.link.status.protocol == "3.1.1"
                await publish(mosquitto.port, range(200))
                await node.until(lambda c: c.received == 200)
            await publish(mosquitto.port, range(200, 300))
            async with node.running():
                await node.until(lambda c: c.received == 300)
            assert node.link.status.sessions_lost == 0

    asyncio.run(scenario())


def test_a_broker_that_was_only_starting_gets_mqtt_5_at_the_next_connection(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port, silent=True) as proxy:
            node = Node(tmp_path, broker_of(proxy.port))
            async with node.running():
                await node.connected()
                assert node.link.status.protocol == "3.1.1"
                proxy.silent = False
                proxy.mend()
                await node.until(lambda _: node.link.status.connections == 2)
                assert node.link.status.protocol == "5"
                await publish(mosquitto.port, range(20))
                await node.until(lambda c: c.received == 20)

    asyncio.run(scenario())


def test_a_broker_that_spoke_mqtt_5_is_never_taken_for_an_old_one(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port) as proxy:
            node = Node(tmp_path, broker_of(proxy.port))
            async with node.running():
                await node.connected()
                before, proxy.silent = proxy.connections, True
                proxy.mend()
                await node.until(lambda _: proxy.connections >= before + 5)
                proxy.silent = False
                await node.until(lambda _: node.link.status.connections == 2)
                assert node.link.status.protocol == "5"

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_the_broker_lost_is_told_also_after_a_restart_of_the_node(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(mosquitto: Mosquitto, proxy: Proxy) -> None:
        for life, lost in enumerate((0, 0, 1)):
            node = Node(tmp_path, broker_of(proxy.port))
            async with node.running():
                await node.connected()
                assert node.link.status.sessions_lost == lost
                if life == 1:
                    mosquitto.kill()
                    await node.until(lambda _, n=node: not n.link.status.connected)  # type: ignore[misc]
                    mosquitto.start()
                    await node.until(lambda _, n=node: n.link.status.sessions_lost == 1)  # type: ignore[misc]
                    assert node.link.state().details["sessions_lost"] == 1
            node.connection.close()
            if life == 1:
                mosquitto.kill()
                mosquitto.start()

    async def all_of_it(mosquitto: Mosquitto) -> None:
        async with Proxy(mosquitto.port, **KINDS[kind]) as proxy:
            await scenario(mosquitto, proxy)

    with (
        Mosquitto(tmp_path / "broker", ["persistence false"]) as mosquitto,
        caplog.at_level(logging.WARNING),
    ):
        asyncio.run(all_of_it(mosquitto))
    told = [line for line in caplog.messages if "has no session of node" in line]
    assert len(told) == 2
    assert "persistence true" in told[0]


FILTERS = ("site/1/+", "site/+/wrist", "site/#")
OVERLAPPING = {
    "5": FILTERS,
    "3.1.1": FILTERS,
    "one below the other": ("site/#", "site/1/wrist"),
    "twice the same": ("site/1/wrist", "site/1/wrist"),
}


class Overlapping(Node):
    """Sensors without times of their own, whose topics cover the same."""

    def declare(self, topics: Sequence[str]) -> None:
        """Have one sensor for each topic."""
        decoder = JsonDecoder("arrival", None, None)
        sensors = [Sensor(f"s{n}", topic, decoder, [Channel("x", "x", "g")], TASK, [])
                   for n, topic in enumerate(topics)]  # fmt: skip
        self.intake = Intake(sensors, self.link.matches, 1000)


def send(port: int, numbers: range) -> None:
    publisher = Publisher(port)
    publisher.send(("site/1/wrist", json.dumps({"x": number % 5}).encode()) for number in numbers)
    publisher.close()


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_a_message_that_several_subscriptions_cover_counts_once(
    tmp_path: Path, mosquitto: Mosquitto, kind: str
) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port, old=kind == "3.1.1") as proxy:
            node = Overlapping(tmp_path, broker_of(proxy.port))
            node.declare(OVERLAPPING[kind])
            async with node.running():
                await node.connected()
                await asyncio.to_thread(send, mosquitto.port, range(100))
                await publish(mosquitto.port, range(1))
                counts = await node.until(lambda c: c.received >= 101)
                assert (counts.received, counts.duplicates, counts.lost) == (101, 0, {})
            node.declare(["site/+/+", *OVERLAPPING[kind]])  # one more, before what is queued comes
            await asyncio.to_thread(send, mosquitto.port, range(100))
            async with node.running():
                await node.connected()
                await asyncio.to_thread(send, mosquitto.port, range(50))
                await publish(mosquitto.port, range(1))
                counts = await node.until(lambda c: c.received >= 252)
                again = counts.received - 252  # stored, and not yet acknowledged at the stop
                assert (0 <= again < 20, counts.lost) == (True, {})
            copies = node.link.state().refused.get("copy", 0)
            assert (copies > 0) == (kind not in ("3.1.1",))

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["5", "3.1.1"])
def test_what_a_broker_kept_is_no_new_reading_at_each_connection(
    tmp_path: Path, mosquitto: Mosquitto, kind: str
) -> None:
    async def scenario() -> None:
        kept = partial(single, "site/1/wrist", '{"x": 1}', 1, True, "127.0.0.1", mosquitto.port)
        await asyncio.to_thread(kept)
        async with Proxy(mosquitto.port, **KINDS[kind]) as proxy:
            node = Overlapping(tmp_path, broker_of(proxy.port))
            node.declare(["site/+/wrist"])
            for connection in range(3):
                async with node.running():
                    await node.until(lambda c, n=connection: c.received + c.duplicates > n)  # type: ignore[misc]
            counts = await node.counts()
            assert (counts.received, counts.lost) == (1, {"malformed_retained": 1})
            assert counts.duplicates >= 2  # more, where a connection ends before the PUBACK

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered", "do_overlap"),
    [
        ("a/#", "a/b", True, True),
        ("a/#", "a", True, True),
        ("a/+/c", "a/b/+", False, True),
        ("a/+", "a/#", False, True),
        ("+/b", "a/b", True, True),
        ("a/b", "a/b/c", False, False),
        ("a/+", "b/+", False, False),
        ("#", "$SYS/x", False, False),
        ("+/x", "$SYS/x", False, False),
        ("$SYS/#", "$SYS/x", True, True),
        ("a/+/#", "a/b", True, True),
        ("a/+/#", "a", False, False),
    ],
)
def test_which_topics_cover_and_overlap(
    wide: str, narrow: str, is_covered: bool, do_overlap: bool
) -> None:
    assert covers(wide, narrow) == is_covered
    assert overlap(wide, narrow) == overlap(narrow, wide) == do_overlap
    left = {narrow, wide} - ({narrow} if is_covered else set())
    left -= {wide} if covers(narrow, wide) else set()
    assert set(uncovered([narrow, wide, narrow])) == left


def conf_of_the_page() -> list[str]:
    """The lines for ``mosquitto.conf`` that docs/reference/sensors.md gives."""
    page = (ROOT / "docs/reference/sensors.md").read_text()
    (block,) = re.findall("```conf\n(.*?)```", page, re.DOTALL)
    return list(block.splitlines())


@pytest.mark.parametrize(
    ("lines", "kept"),
    [(["max_queued_messages 1000", "max_inflight_messages 20"], range(1000, 1021)),
     (conf_of_the_page(), range(1500, 1501))],
    ids=["as installed", "as the page says"],
)  # fmt: skip
def test_what_a_broker_keeps_for_a_node_that_is_away(
    tmp_path: Path, lines: list[str], kept: range
) -> None:
    async def scenario(port: int) -> None:
        node = Node(tmp_path, broker_of(port))
        async with node.running():
            await node.connected()
        await publish(port, range(1500))
        async with node.running():
            await node.connected()
            await publish(port, range(1500, 1501))
            last = f"SELECT count(*) FROM spool WHERE id LIKE '%{NOW + 1500} %'"
            await node.until(lambda _: node.connection.execute(last).fetchone() == (1,))
            assert (await node.counts()).received - 1 in kept

    with Mosquitto(tmp_path / "broker", lines) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@pytest.mark.parametrize("kind", ["5", "3.1.1"])
def test_a_topic_that_is_declared_no_more_does_not_go_on_coming(
    tmp_path: Path, mosquitto: Mosquitto, kind: str
) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port, **KINDS[kind]) as proxy:
            for topic, expected in (("site/+/wrist", 20), ("other/wrist", 21)):
                node = Node(tmp_path, broker_of(proxy.port))
                node.intake = Intake([sensor(topic=topic)], node.link.matches, 100_000)
                async with node.running():
                    await node.connected()
                    await publish(mosquitto.port, range(20))
                    publisher = Publisher(mosquitto.port)
                    publisher.send([("other/wrist", payload(100))])
                    publisher.close()
                    counts = await node.until(lambda c, n=expected: c.received >= n)  # type: ignore[misc]
                node.connection.close()
            again = counts.lost.get("malformed_topic", 0)  # what the first had not acknowledged
            assert again < 20
            assert (counts.received, sum(counts.lost.values())) == (21 + again, again)

    asyncio.run(scenario())
