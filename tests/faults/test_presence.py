"""What the broker knows of a node: it is online with what is wrong, offline, or lost."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.node.presence import status_event
from fl_client.sensors.transports.mqtt.client import new_client
from fl_common.wire.cloud_events import from_structured
from tests.support.edge import broker_of
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import node, place_model, wait_for


@contextmanager
def heard(port: int, topic: str) -> Iterator[list[tuple[bool, Mapping[str, Any]]]]:
    """The messages to ``topic`` while inside: whether each was retained, and what it says."""
    found: list[tuple[bool, Mapping[str, Any]]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_message = lambda _, __, got: found.append((got.retain, json.loads(got.payload)))
    client.on_connect = lambda one, *_: one.subscribe(topic, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield found
    client.disconnect()
    client.loop_stop()


@pytest.mark.long
def test_the_broker_tells_how_the_node_is_and_that_it_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "seen"
    place_model(home)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        heard(broker.port, "status/seen") as said,
        node(home, broker.port, "+sensors.watch.silent_s=2") as process,
    ):
        wait_for(lambda: said and said[-1][1]["state"] == "online", "a birth")
        parts = {"ok": False, "state": "online"}
        wait_for(lambda: said[-1][1]["wrong"], "what is wrong")
        latest = said[-1][1]
        assert {name: latest[name] for name in parts} == parts
        assert set(latest["wrong"][0]) == {"part", "cause", "remedy", "since"}
        process.kill()
        wait_for(lambda: said[-1][1]["state"] == "lost", "the last will")
        with heard(broker.port, "status/seen") as later:
            wait_for(lambda: later, "a retained message")
            assert later[0] == (True, {"state": "lost", "ok": False, "wrong": []})
        process.start()
        wait_for(lambda: said[-1][1]["state"] == "online", "another birth")
        process.stop()
        assert said[-1][1]["state"] == "offline"


def test_an_old_broker_gets_a_will_in_one_json_object() -> None:
    event = status_event("urn:x", "lost", (), None)

    async def client_of_3() -> paho.Client:
        will = ("status/a", event)
        return new_client(broker_of(1), aiomqtt.ProtocolVersion.V311, will)._client

    client = asyncio.run(client_of_3())
    assert client._will_topic == b"status/a"
    assert (client._will_qos, client._will_retain) == (0, True)
    assert from_structured(bytes(client._will_payload)).data == event.data
