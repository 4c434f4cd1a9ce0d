"""A box with a microphone: it predicts, stores nothing of what it hears, and says what is wrong."""

import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.configuration import read_config
from fl_client.node.assembly.node import build_node
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, START, NodeProcess, World, place_model, wait_for
from tests.support.ports import free_port
from tests.support.shell import blocks

RATE = 16_000
PIECE = 1600
TOPIC = "sensors/ears/microphone"


def declaration(folder: Path) -> Path:
    """The file of the page, as it is."""
    (text,) = [text for text in blocks("docs/reference/sensors.md", "yaml") if "ears.yaml" in text]
    file = folder / "ears.yaml"
    file.write_text(text)
    return file


def sound(number: int) -> Any:
    """Samples (1600,) of the piece ``number``: noise, of which no part is like any other."""
    return np.random.default_rng(number).integers(-32768, 32767, PIECE).astype("<i2")


def payload(number: int) -> bytes:
    start_ns = START + number * PIECE * 10**9 // RATE
    return start_ns.to_bytes(8, "little") + bytes(sound(number).tobytes())


def traces(home: Path, pieces: range) -> list[str]:
    """Files below ``home`` in which some of the sound is, in any form that it passes through."""
    forms = []
    for number in pieces:
        part = sound(number)[800:808]
        forms += [part.tobytes(), (part / 32768).astype("<f4").tobytes()]
        forms += [(part / 32768).astype("<f8").tobytes()]
    files = [path for path in home.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


class Ears:
    """The box, and a microphone that sends to it by a transport."""

    def __init__(self, folder: Path, broker: Mosquitto, transport: str, *overrides: str) -> None:
        self.home, self._port = folder / "ears", free_port()
        file = declaration(folder)
        place_model(self.home, task=build(read_config(file, [])["task"]))
        words = list(overrides)
        if transport == "http":
            words += ["transports=http", "+sensors.microphone.transport=http"]
            words += [f"transports.http.port={self._port}"]
        self.node = NodeProcess(self.home, broker.port, *words, config=file)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._is_http = transport == "http"

    def hear(self, content: bytes) -> None:
        if self._is_http:
            address = f"http://127.0.0.1:{self._port}/{TOPIC}"
            request = urllib.request.Request(address, content, method="POST")
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 204
        else:
            self._client.publish(TOPIC, content, 1).wait_for_publish(PATIENCE)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self.node.process.poll() is None:
            self.node.kill()


def messages(ears: Ears) -> dict[str, Any]:
    found: dict[str, Any] = ears.node.status().get("messages", {})
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("transport", ["mqtt", "http"])
def test_sound_is_predicted_and_nothing_of_it_is_on_the_disk(
    tmp_path: Path, transport: str
) -> None:
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "ears") as world:
        ears = Ears(tmp_path, broker, transport)
        try:
            ears.node.start()
            ears.node.wait()
            for number in range(20):
                ears.hear(payload(number))
            wait_for(lambda: len(world.starts()) >= 60, "predictions of two seconds")
            assert traces(ears.home, range(20)) == []
            ears.node.kill()
            assert traces(ears.home, range(20)) == []
            ears.node.start()
            ears.node.wait()
            lost = wait_for(lambda: messages(ears).get("lost"), "what the restart lost")
            assert lost["restart"] >= 1
            for number in range(30, 40):
                ears.hear(payload(number))
            wait_for(lambda: len(world.starts()) >= 80, "predictions after the restart")
            found = messages(ears)
            assert found["received"] == (
                found["processed"] + found["waiting"] + sum(found["lost"].values())
            )
        finally:
            ears.close()


@pytest.mark.slow
@pytest.mark.long
def test_where_the_owner_says_so_sound_is_stored_and_another_rate_is_named(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "ears") as world:
        ears = Ears(tmp_path, broker, "mqtt", "retain=all")
        try:
            ears.node.start()
            ears.node.wait()
            for number in range(10):
                ears.hear(payload(number))
            wait_for(lambda: len(world.starts()) >= 25, "predictions of a second")
            assert traces(ears.home, range(5))
            for number in range(5):  # 44.1 kHz
                start_ns = START + 5 * 10**9 + number * PIECE * 10**9 // 44_100
                ears.hear(start_ns.to_bytes(8, "little") + sound(number).tobytes())
            wait_for(
                lambda: messages(ears).get("lost", {}).get("malformed_rate") == 4, "the other rate"
            )
            for number in range(60, 70):
                ears.hear(payload(number))
            wait_for(lambda: len(world.starts()) >= 50, "it goes on")
        finally:
            ears.close()


def test_a_box_that_stores_no_window_takes_part_in_no_federation(tmp_path: Path) -> None:
    file = declaration(tmp_path)
    config = read_config(file, [f"home={tmp_path / 'site'}", "federation.server=localhost:1"])
    with pytest.raises(InvalidConfiguration, match="leaves no window to train on"):
        build_node(config, connected=False)


def test_a_box_that_stores_no_window_has_no_shape_before_its_model(tmp_path: Path) -> None:
    file = declaration(tmp_path)
    config = read_config(file, [f"home={tmp_path / 'site'}", "windows.shape=downsampling"])
    with pytest.raises(InvalidConfiguration, match=r"wait for windows\.shape=downsampling"):
        build_node(config, connected=False)
    assert not (tmp_path / "site" / "site.sqlite").exists()


def test_a_store_with_readings_is_not_taken_for_one_without(tmp_path: Path) -> None:
    file, home = declaration(tmp_path), f"home={tmp_path / 'site'}"
    kept = build_node(read_config(file, [home, "retain=all"]), connected=False)
    connection = kept.loop.pipeline._path.connection
    connection.execute(
        "INSERT INTO spool (sensor, id, stamps, content) VALUES ('microphone', 'a', 1, x'00')"
    )
    connection.close()
    with pytest.raises(InvalidConfiguration, match="retain=none: stores nothing of readings"):
        build_node(read_config(file, [home]), connected=False)
