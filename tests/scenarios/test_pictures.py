"""A box with a camera: it predicts, stores nothing of what it sees, and counts what it can not."""

import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.configuration import read_config
from fl_client.node.assembly.node import build_node
from fl_client.node.recording import RecordedReadings
from fl_client.windows.truths import truths_of
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.plugins.build import build
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, NodeProcess, World, place_model, wait_for
from tests.support.pictures import bomb, file_of, noise
from tests.support.ports import free_port
from tests.support.shell import blocks

TOPIC = "sensors/eyes/camera"
WHOLE = ["sensors.camera.decoder.scaled=null", "task.window_shape=[1,480,640]"]


def declaration(folder: Path) -> Path:
    """The file of the page, as it is."""
    (text,) = [text for text in blocks("docs/reference/sensors.md", "yaml") if "eyes.yaml" in text]
    file = folder / "eyes.yaml"
    file.write_text(text)
    return file


def picture(number: int) -> bytes:
    return file_of(noise(number, 480, 640, 1))


def traces(home: Path, numbers: range) -> list[str]:
    """Files below ``home`` in which some of a picture is, in any form that it passes through."""
    forms = []
    for number in numbers:
        part = noise(number, 480, 640, 1)[240, 320:336]
        forms += [part.tobytes(), part.astype("<f4").tobytes(), picture(number)[1000:1016]]
    files = [path for path in home.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


class Eyes:
    """The box, and a camera that sends to it by a transport."""

    def __init__(self, folder: Path, broker: Mosquitto, transport: str, *overrides: str) -> None:
        self.home, self._port = folder / "eyes", free_port()
        file, words = declaration(folder), list(overrides)
        place_model(self.home, task=build(read_config(file, words)["task"]))
        if transport == "http":
            words += ["transports=http", "+sensors.camera.transport=http"]
            words += [f"transports.http.port={self._port}"]
        self.node = NodeProcess(self.home, broker.port, *words, config=file)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(100)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._is_http = transport == "http"

    def show(self, *contents: bytes) -> None:
        for content in contents if self._is_http else ():
            address = f"http://127.0.0.1:{self._port}/{TOPIC}"
            request = urllib.request.Request(address, content, method="POST")
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 204
        if not self._is_http:
            for sent in [self._client.publish(TOPIC, content, 1) for content in contents]:
                sent.wait_for_publish(PATIENCE)

    def messages(self) -> dict[str, Any]:
        found: dict[str, Any] = self.node.status().get("messages", {})
        return found

    def is_even(self, received: int) -> bool:
        """Whether so many were received, and what became of each is known."""
        found = self.messages()
        rest = found.get("processed", 0) + sum(found.get("lost", {}).values())
        return bool(found) and found["received"] == rest == received

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self.node.process.poll() is None:
            self.node.kill()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("transport", ["mqtt", "http"])
def test_pictures_are_predicted_and_nothing_of_them_is_on_the_disk(
    tmp_path: Path, transport: str
) -> None:
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "eyes") as world:
        eyes = Eyes(tmp_path, broker, transport, *WHOLE)
        try:
            eyes.node.start()
            eyes.node.wait()
            eyes.show(*map(picture, range(10)))
            wait_for(lambda: len(world.starts()) == 10, "ten predictions")
            assert traces(eyes.home, range(10)) == []
            eyes.node.kill()
            assert traces(eyes.home, range(10)) == []
            eyes.node.start()
            eyes.node.wait()
            eyes.show(picture(10))
            wait_for(lambda: len(world.starts()) == 11, "a prediction after the restart")
            wait_for(lambda: eyes.is_even(11), "an account of all")
        finally:
            eyes.close()


@pytest.mark.slow
@pytest.mark.long
def test_where_the_owner_says_so_pictures_are_stored_and_hostile_ones_are_counted(
    tmp_path: Path,
) -> None:
    good = picture(0)
    hostile = [b"", bomb(), good[:-1000], file_of(noise(1, 480, 640, 1), "gif"), good[:40]]
    hostile += [file_of(noise(1, 48, 64, 1)), np.random.default_rng(0).bytes(5000)]
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "eyes") as world:
        eyes = Eyes(tmp_path, broker, "mqtt", "retain=all", *WHOLE)
        try:
            eyes.node.start()
            eyes.node.wait()
            eyes.show(*hostile, good)
            wait_for(lambda: len(world.starts()) == 1, "the one good picture")
            wait_for(lambda: eyes.is_even(8), "an account of all")
            lost = eyes.messages()["lost"]
            assert lost == {"malformed_form": 3, "malformed_pixels": 2, "malformed_damaged": 2}
            assert traces(eyes.home, range(1))
        finally:
            eyes.close()


@pytest.mark.slow
@pytest.mark.long
def test_a_thousand_pictures_at_once_are_all_accounted_for(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "eyes") as world:
        eyes = Eyes(tmp_path, broker, "mqtt")
        try:
            eyes.node.start()
            eyes.node.wait()
            dark = file_of(np.zeros((480, 640), np.uint8), "jpeg")
            eyes.show(*[dark] * 1000)
            wait_for(lambda: eyes.is_even(1000), "an account of all", 600)
            assert eyes.messages()["lost"] == {}
            wait_for(lambda: len(world.starts()) == 1000, "a prediction of each")
        finally:
            eyes.close()


def test_a_recording_in_columns_is_not_played_to_a_box_that_sees(tmp_path: Path) -> None:
    config = read_config(declaration(tmp_path), [])
    task = build(config["task"])
    with pytest.raises(InvalidData, match="whose windows are pictures"):
        RecordedReadings(tmp_path / "r.csv", task, [], truths_of(task, build(config["windows"])))


def test_a_box_that_sees_takes_part_in_no_federation_unless_it_stores(tmp_path: Path) -> None:
    file = declaration(tmp_path)
    config = read_config(file, [f"home={tmp_path / 'site'}", "federation.server=localhost:1"])
    with pytest.raises(InvalidConfiguration, match="leaves no window to train on"):
        build_node(config, connected=False)
