"""The link to a real mosquitto: what is published arrives, whatever happens to either."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.edge import Node, balanced, broker_of, publish
from tests.support.mosquitto import Mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def test_what_is_published_is_spooled_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        node = Node(tmp_path, broker_of(mosquitto.port))
        async with node.running():
            await node.connected()
            sent = await publish(mosquitto.port, range(500))
            again = await publish(mosquitto.port, range(100))
            counts = await node.until(lambda c: c.received + c.duplicates == sent + again)
            assert (counts.received, counts.duplicates, counts.waiting) == (500, 100, 500)

    asyncio.run(scenario())


def test_broker_killed_and_restarted(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        node = Node(tmp_path, broker_of(mosquitto.port))
        async with node.running():
            await node.connected()
            await publish(mosquitto.port, range(100))
            await node.until(lambda c: c.received == 100)
            mosquitto.kill()
            await node.until(lambda _: not node.link.status.connected)
            mosquitto.start()
            await node.connected()
            await publish(mosquitto.port, range(100, 200))
            counts = await node.until(lambda c: c.received == 200)
            assert balanced(counts)

    asyncio.run(scenario())


def test_messages_wait_at_the_broker_while_the_node_is_away(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async def scenario() -> None:
        node = Node(tmp_path, broker_of(mosquitto.port))
        async with node.running():
            await node.connected()
        await publish(mosquitto.port, range(300))
        async with node.running():
            await node.until(lambda c: c.received == 300)

    asyncio.run(scenario())
