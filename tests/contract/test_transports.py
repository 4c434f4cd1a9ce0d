"""What every transport does, shown on MQTT with a real broker and on HTTP with a real client."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fl_client.sensors.transports import Delivery, Taken
from fl_common.errors import InvalidConfiguration, StoreError
from tests.support.edge import Node, Publisher, Site, balanced, broker_of, payload
from tests.support.mosquitto import Mosquitto
from tests.support.posts import HttpSite, http_transport, post_all

IN_FLIGHT = 10


class Kind(ABC):
    """One transport, and a sender by it that does not rest until all is acknowledged."""

    @abstractmethod
    def site(self, folder: Path) -> Site:
        """A site with an inbox of ``IN_FLIGHT`` messages."""

    @abstractmethod
    async def send(self, site: Site, bodies: Sequence[bytes]) -> None:
        """Send all."""

    @abstractmethod
    async def held_back(self, site: Site, sending: asyncio.Task[None]) -> None:
        """Wait until the site, which takes nothing, holds its senders back."""


class Mqtt(Kind):
    def __init__(self, port: int) -> None:
        self._port = port

    def site(self, folder: Path) -> Site:
        return Node(folder, broker_of(self._port, in_flight=IN_FLIGHT, identity=folder.name))

    async def send(self, site: Site, bodies: Sequence[bytes]) -> None:
        def work() -> None:
            publisher = Publisher(self._port)
            publisher.send(("site/1/wrist", body) for body in bodies)
            publisher.close()

        await asyncio.to_thread(work)

    async def held_back(self, site: Site, sending: asyncio.Task[None]) -> None:
        await asyncio.shield(sending)  # the broker has them all


class Http(Kind):
    def site(self, folder: Path) -> Site:
        return HttpSite(folder, http_transport(in_flight=IN_FLIGHT))

    async def send(self, site: Site, bodies: Sequence[bytes]) -> None:
        assert isinstance(site, HttpSite)
        await post_all(site.url, bodies, again=True)

    async def held_back(self, site: Site, sending: asyncio.Task[None]) -> None:
        await site.until(lambda _: site.link.state().refused.get("busy", 0) > 0)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture(params=["mqtt", "http"])
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "http":
        return Http()
    broker: Mosquitto = request.getfixturevalue("broker")
    return Mqtt(broker.port)


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[None]:
    async with site.running():
        await site.connected()
        yield


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_all_that_is_sent_is_kept(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = kind.site(tmp_path)
        async with listening(site):
            await kind.send(site, [payload(number) for number in range(200)])
            counts = await site.until(lambda c: c.received == 200)
            assert (counts.waiting, counts.lost) == (200, {})

    run(scenario)


def test_what_the_store_did_not_take_comes_again(kind: Kind, tmp_path: Path) -> None:
    """Nothing is acknowledged before the commit."""

    async def scenario() -> None:
        site = kind.site(tmp_path)
        keep, failures = site.keep, iter(range(3))

        def failing(batch: Sequence[Delivery]) -> Taken:
            if next(failures, None) is not None:
                raise StoreError("The disk is full.")
            return keep(batch)

        site.keep = failing  # type: ignore[method-assign]
        async with listening(site):
            await kind.send(site, [payload(number) for number in range(30)])
            counts = await site.until(lambda c: c.received == 30)
            assert next(failures, None) is None
            assert (counts.waiting, counts.lost, balanced(counts)) == (30, {}, True)

    run(scenario)


def test_a_repetition_has_no_effect(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = kind.site(tmp_path)
        async with listening(site):
            await kind.send(site, [payload(1), payload(2)])
            await kind.send(site, [payload(2), payload(1), payload(3)])
            counts = await site.until(lambda c: c.received + c.duplicates == 5)
            assert (counts.received, counts.duplicates) == (3, 2)

    run(scenario)


def test_what_waits_is_bounded(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = kind.site(tmp_path)
        taken, go_on = site.take, asyncio.Event()

        async def slow(batch: Sequence[Delivery]) -> Taken:
            await go_on.wait()
            return await taken(batch)

        site.take = slow  # type: ignore[method-assign]
        async with listening(site):
            sending = asyncio.create_task(kind.send(site, [payload(n) for n in range(300)]))
            await kind.held_back(site, sending)
            go_on.set()
            await sending
            await site.until(lambda c: c.received == 300)
            assert max(site.batches) <= IN_FLIGHT + 1

    run(scenario)


def test_the_malformed_are_counted_and_hold_nothing_up(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = kind.site(tmp_path)
        async with listening(site):
            await kind.send(site, [b"{broken", payload(1), b"{broken", b"7", payload(2)])
            counts = await site.until(lambda c: c.received == 5)
            assert counts.lost == {"malformed_json": 2, "malformed_structure": 1}
            assert counts.waiting == 2

    run(scenario)


def test_it_tells_its_state(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = kind.site(tmp_path)
        before = site.link.state()
        assert not before.up
        assert before.fault
        async with listening(site):
            assert site.link.state().up
        assert not site.link.state().up

    run(scenario)


def test_an_address_that_is_none_is_refused(kind: Kind, tmp_path: Path) -> None:
    link = kind.site(tmp_path).link
    link.check("wrist", "site/1/wrist")
    assert link.matches("site/1/wrist", "site/1/wrist")
    assert not link.matches("site/1/wrist", "site/2/wrist")
    for address in ("", "site/#/wrist", "a+b"):
        with pytest.raises(InvalidConfiguration, match="of wrist"):
            link.check("wrist", address)
