"""Health over a real broker where sensors send what can't be used, or nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.mosquitto import Mosquitto
from tests.support.nodes import START, NodeProcess, message, node, place_model, wait_for

HOUR_NS = 3600 * 10**9


def wrong(process: NodeProcess) -> dict[str, str]:
    """The parts that /healthz names, and why; it is red as long as there are some."""
    code, body = process.ask("/healthz")
    found = {trouble["part"]: trouble["cause"] for trouble in json.loads(body)["wrong"]}
    assert (code == 503) is bool(found)
    return found


def sender(port: int, topic: str) -> Callable[[bytes], None]:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return lambda payload: client.publish(topic, payload, 1).wait_for_publish(60)


def behind(number: int) -> bytes:
    """A message of a sensor whose clock is two hours behind what it said before."""
    stamp = START - 2 * HOUR_NS + number * 320_000_000
    return stamp.to_bytes(8, "little") + message(0)[8:]


@pytest.mark.long
def test_a_sensor_of_which_nothing_can_be_used_makes_health_red(tmp_path: Path) -> None:
    home = tmp_path / "odd"
    place_model(home)
    with Mosquitto(tmp_path / "broker") as broker, node(home, broker.port) as process:
        process.wait()
        send = sender(broker.port, "sensors/odd/watch")
        for _ in range(20):
            send(b"\x00" * 7)
        found = wait_for(lambda: wrong(process).get("sensor watch"), "malformed messages")
        assert "can be used (malformed_" in found
        for number in range(20):
            send(message(number))
        wait_for(lambda: not wrong(process), "health")
        for number in range(20):
            send(behind(number))
        found = wait_for(lambda: wrong(process).get("sensor watch"), "a clock behind")
        assert found.endswith("can be used (late)"), wrong(process)

        def counted() -> tuple[int, int]:
            shown = process.status()["sensors"]["watch"]
            return shown["messages"], shown["lost"]["late"]

        wait_for(lambda: counted() >= (60, 20), "all messages")
        assert counted() == (60, 20)
        metrics = process.ask("/metrics")[1].decode()
        assert 'fl_client_sensor_lost_total{reason="late",sensor="watch"} 20.0' in metrics
        assert 'fl_client_trouble{part="sensor watch"} 1.0' in metrics


def test_a_sensor_that_is_silent_for_longer_than_declared_makes_health_red(tmp_path: Path) -> None:
    home = tmp_path / "mute"
    place_model(home)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        node(home, broker.port, "+sensors.watch.silent_s=1.5") as process,
    ):
        wait_for(lambda: process.status().get("model", {}).get("digest"), "a model")
        found = wait_for(lambda: wrong(process).get("sensor watch"), "silence to be told")
        assert found == "no message for 1.5 s"
        send = sender(broker.port, "sensors/mute/watch")
        send(message(0))
        wait_for(lambda: not wrong(process), "health")


def test_a_full_spool_and_a_ledger_that_can_not_be_read_make_health_red(tmp_path: Path) -> None:
    home = tmp_path / "full"
    place_model(home)
    (home / "ledger.sqlite").write_bytes(b"no database")
    with (
        Mosquitto(tmp_path / "broker") as broker,
        node(home, broker.port, "spool.limit_bytes=3000", "spool.on_full=drop_oldest") as process,
    ):
        wait_for(process.status, "a node that answers")
        wait_for(lambda: wrong(process).get("ledger"), "an unreadable ledger")
        send = sender(broker.port, "sensors/full/watch")
        for number in range(8):
            send(message(number))
        wait_for(lambda: wrong(process).get("spool"), "a full spool")
        assert process.status()["messages"]["lost"]["full_dropped"] >= 1
