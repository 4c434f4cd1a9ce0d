"""Ten thousand payloads that no sensor should send: the node goes on, and counts each by reason."""

import asyncio
import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.sensors import Annotation, Malformed, Readings
from fl_client.sensors.intake import AnnotationTopic, Intake
from fl_client.sensors.transports import Delivery
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from tests.support.edge import NOW, Node, Publisher, balanced, broker_of, payload, sensor
from tests.support.mosquitto import Mosquitto

GOOD = b'{"t":1699000000000000000,"x":1,"y":2}'
CORPUS = [
    b"",
    b"\0",
    b"{",
    b"}",
    b"null",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b"[[]]",
    b"\xff\xfe\xfd",
    b'{"t":NaN,"x":1}',
    b'{"t":Infinity,"x":1}',
    b'{"t":1699e15,"x":NaN}',
    b'{"t":1699e15,"x":-Infinity}',
    b'{"t":1699e15,"x":1e999}',
    b'{"t":1699e15,"x":' + b"9" * 5000 + b"}",
    b'{"t":1e18,"x":"\\ud800"}',
    b'{"t":"now","x":1}',
    b'{"t":[1],"x":1}',
    b'{"t":-1,"x":1}',
    b'{"t":1' + b"0" * 30 + b',"x":1}',
    b'{"t":1699e15,"x":{}}',
    b'{"t":1699e15,"x":true}',
    b'{"t":1699e15}',
    b'{"x":1}',
    b'{"t":1,"x":1}',
    b'{"t":1699e15,"x":null,"y":null}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"9" * 90_000,
    b'{"t":1699e15,"x":1}' * 2,
    b"1" * 200_000,
    b'{"t":4000000000000000000,"x":1}',
    b'{"t":1699e15,"x":1} \0',
]
"""Truncated, empty, not UTF-8, NaN, infinite, of the wrong type, nested, huge, from the future."""


def broken(chance: random.Random) -> bytes:
    """A good payload that is cut, has a byte changed, or is noise; perhaps still good."""
    way = chance.randrange(3)
    if way == 0:
        return GOOD[: chance.randrange(len(GOOD))]
    if way == 1:
        body = bytearray(GOOD)
        body[chance.randrange(len(body))] = chance.randrange(256)
        return bytes(body)
    return chance.randbytes(chance.randrange(60))


@pytest.mark.slow
def test_ten_thousand_malformed_payloads_are_counted(tmp_path: Path) -> None:
    chance = random.Random(3)
    bodies = [*CORPUS, *(broken(chance) for _ in range(10_000 - len(CORPUS)))]
    topics = ["site/1/wrist"] * len(bodies)
    long = [("site/" + "x" * 65_000 + "/wrist", b"{"), ("site/" + "y" * 60_000 + "/wrist", GOOD)]

    async def scenario(mosquitto: Mosquitto) -> None:
        node = Node(tmp_path, broker_of(mosquitto.port, in_flight=500))
        async with node.running():
            await node.connected()

            def send() -> int:
                publisher = Publisher(mosquitto.port)
                publisher.send([*zip(topics, bodies, strict=True), *long])
                publisher.send([("site/1/wrist", payload(7))])
                publisher.close()
                return publisher.acknowledged

            sent = await asyncio.to_thread(send)
            counts = await node.until(lambda c: c.received + c.duplicates == sent)
            assert node.link.status.connections == 1
            assert sent == 10_003
            assert balanced(counts)
            assert sum(counts.lost.values()) > 9000
            wanted = {"json", "text", "number", "time", "type", "structure", "empty", "nesting",
                      "size", "future", "past", "time_unit", "stream"}  # fmt: skip
            assert {reason.removeprefix("malformed_") for reason in counts.lost} == wanted

    with Mosquitto(tmp_path / "broker") as mosquitto:
        asyncio.run(scenario(mosquitto))


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.just(NOW)),
    lambda inner: st.dictionaries(st.sampled_from(["t", "x", "id", "from", "to", "label"]), inner),
    max_leaves=9,
)
BODIES = st.one_of(st.binary(max_size=40), VALUES.map(lambda value: json.dumps(value).encode()))


@pytest.mark.slow
@settings(max_examples=50)
@given(bodies=st.lists(st.tuples(st.sampled_from(["a", "b", "c", "\udc80"]), BODIES), max_size=20))
def test_any_batch_becomes_one_item_each_that_can_be_stored(
    bodies: list[tuple[str, bytes]],
) -> None:
    intake = Intake([AnnotationTopic("b", "ns"), sensor("s", "a")], str.__eq__, 10_000)
    batch = [Delivery(topic, body, "1") for topic, body in bodies]
    arrivals = intake.arrivals(batch, NOW)
    assert all(isinstance(a.item, Readings | Annotation | Malformed) for a in arrivals)
    with TemporaryDirectory() as folder:
        spool = Spool(open_store(Path(folder, "site.sqlite")), 10**9, "reject", 100)
        spool.append(arrivals)
        counts = spool.counts()
    assert balanced(counts)
    assert counts.received + counts.duplicates == len(batch)
