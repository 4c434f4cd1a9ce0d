"""One site's intake in a test: a real link, a real spool, and a publisher that counts."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.intake import Intake, taken_of
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery, Taken, Transport
from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.spool_counts import SpoolCounts
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task

Result = TypeVar("Result")
PATIENCE = 120.0  # seconds
NOW = 1_700_000_000 * 10**9
TASK = Task("t", ("x", "y"), ("g", "g"), 50.0, (4, 2), ("a", "b"), (0.0, 0.0), (1.0, 1.0), 1)


def broker_of(port: int, **changes: Any) -> Broker:
    """A broker on this machine, impatient."""
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "identity": "node",
        "username": None,
        "password": None,
        "ca_file": None,
        "certificate_file": None,
        "key_file": None,
        "keepalive": 60,
        "session_seconds": 3600,
        "in_flight": 50,
        "inbox_bytes": 1_000_000,
        "retry_first": 0.05,
        "retry_most": 0.2,
        "taken_over_seconds": 60.0,
    }
    return Broker(**(options | changes))


def sensor(name: str = "wrist", topic: str = "site/+/wrist") -> Sensor:
    """A sensor of JSON objects with a stamp ``t`` in ns and values ``x``, ``y``."""
    channels = [Channel("x", "x", "g"), Channel("y", "y", "g")]
    stream = 2 if "+" in topic else None
    return Sensor(name, topic, JsonDecoder("t", "ns", None), channels, TASK, stream)


def payload(number: int) -> bytes:
    """A reading that differs from any other by its stamp."""
    return json.dumps({"t": NOW + number, "x": number, "y": -number}).encode()


def balanced(counts: SpoolCounts) -> bool:
    """The spool's invariant."""
    return counts.received == counts.processed + counts.waiting + sum(counts.lost.values())


class Site:
    """Transport, intake and spool of a site in ``folder``."""

    topic = "site/1/wrist"

    def __init__(self, folder: Path, link: Transport, **changes: Any) -> None:
        options = {"limit_bytes": 10**9, "on_full": "reject", "remembered": 100_000, **changes}
        self.connection = open_store(folder / "site.sqlite")
        self.spool = Spool(self.connection, **options)
        self.link = link
        self.intake = Intake([sensor(topic=self.topic)], link.matches, 100_000)
        self._worker = ThreadPoolExecutor(1)
        self.batches: list[int] = []
        self.now_ns = NOW + 10**9

    async def take(self, batch: Sequence[Delivery]) -> Taken:
        """Decode and spool in another thread, as a node does."""
        return await self._in_worker(self.keep, batch)

    def _in_worker(self, work: Callable[..., Result], *arguments: Any) -> Awaitable[Result]:
        return asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    def keep(self, batch: Sequence[Delivery]) -> Taken:
        """What the worker thread does."""
        self.batches.append(len(batch))
        arrivals = self.intake.arrivals(batch, self.now_ns)
        return taken_of(arrivals, self.spool.append(arrivals))

    async def counts(self) -> SpoolCounts:
        """The counts between two batches: this connection sees what the worker has not finished."""
        return await self._in_worker(self.spool.counts)

    async def until(self, holds: Callable[[SpoolCounts], bool]) -> SpoolCounts:
        """Wait until the counts are such."""
        for _ in range(int(PATIENCE / 0.02)):
            counts = await self.counts()
            if holds(counts):
                return counts
            await asyncio.sleep(0.02)
        raise AssertionError(f"never came true: {counts}, {self.link.state()}")

    @asynccontextmanager
    async def running(self) -> Any:
        """The link runs inside."""
        task = asyncio.create_task(self.link.run(self.intake.addresses, self.take))
        try:
            yield self
        finally:
            while not task.done():  # wait_for of Python 3.11 may lose a cancellation
                task.cancel()
                await asyncio.wait([task], timeout=1)
            await asyncio.gather(task, return_exceptions=True)

    async def connected(self) -> None:
        """Wait until it listens."""
        await self.until(lambda _: self.link.state().up)


class Node(Site):
    """A site that hears a broker."""

    topic = "site/+/wrist"

    def __init__(self, folder: Path, broker: Broker, **changes: Any) -> None:
        self.link: MqttTransport
        self.troubles = Troubles()
        link = MqttTransport(broker, random.Random(1), self.troubles, home=folder)
        super().__init__(folder, link, **changes)


class Publisher:
    """Publishes with QoS 1 by a real client; ``acknowledged`` counts what the broker answered."""

    def __init__(self, port: int, qos: int = 1, user: tuple[str, str] | None = None) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(100)
        self._qos = qos
        self.acknowledged = 0
        self._client.on_publish = self._published
        if user is not None:
            self._client.username_pw_set(*user)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _published(self, *_: object) -> None:
        self.acknowledged += 1

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish all, and wait until the broker has each."""
        for info in [self._client.publish(topic, body, self._qos) for topic, body in messages]:
            info.wait_for_publish(PATIENCE)

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()


async def publish(
    port: int, numbers: range, qos: int = 1, user: tuple[str, str] | None = None
) -> int:
    """Publish these readings from another thread; how many the broker acknowledged."""

    def work() -> int:
        publisher = Publisher(port, qos, user)
        try:
            publisher.send(("site/1/wrist", payload(number)) for number in numbers)
            return publisher.acknowledged
        finally:
            publisher.close()

    return await asyncio.to_thread(work)
