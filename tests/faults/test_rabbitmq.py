"""A whole node on RabbitMQ, whose MQTT differs: 3.1.1 alone in some releases, its own sessions."""

import json
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.support.nodes import World, expected_starts, node, place_model, wait_for
from tests.support.rabbitmq import RabbitMq

pytestmark = pytest.mark.timeout(600)


def retained(port: int, topic: str) -> str:
    """The state in the message that the broker keeps of ``topic``."""
    found: list[str] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = lambda _, __, got: found.append(json.loads(got.payload)["data"]["state"])
    client.on_connect = lambda one, *_: one.subscribe(topic, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    wait_for(lambda: found, "a retained message")
    client.disconnect()
    client.loop_stop()
    return found[0]


@pytest.mark.long
def test_a_node_falls_back_predicts_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    home = tmp_path / "box"
    place_model(home)
    quick = ("broker.retry_first=0.2", "broker.retry_most=1.0")
    with (
        RabbitMq(tmp_path / "broker") as broker,
        node(home, broker.port, *quick) as process,
        World(broker.port, "box", MQTTProtocolVersion.MQTTv311) as world,
    ):
        process.wait()
        assert process.status()["broker"]["protocol"] in {"3.1.1", "5"}
        assert retained(broker.port, "status/box") == "online"
        world.send(0, 30)
        wait_for(lambda: world.starts() == expected_starts(30), "each window's prediction")
        broker.kill()
        wait_for(lambda: not process.status()["broker"]["connected"], "a lost connection")
        broker.start()
        process.wait()
        world.send(30, 60)
        wait_for(lambda: world.starts() == expected_starts(60), "each later window's prediction")
        wait_for(lambda: process.status()["messages"]["received"] == 60, "all counted")
        assert process.status()["messages"]["lost"] == {}
        wait_for(lambda: process.status()["events"]["waiting"] == 0, "an empty outbox")
        events = process.status()["events"]
        assert events["made"] == events["published"]
        assert process.stop() == 0
        assert retained(broker.port, "status/box") == "offline"
