"""``python -m simulate play``: what comes to a broker, and what a killed player does not repeat."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.configuration import read_config
from fl_client.node.assembly.sensing import build_sensing
from fl_client.sensors import Annotation, Readings
from fl_client.sensors.transports import Delivery
from fl_common.programs.troubles import Troubles
from models.tasks import wearables
from tests.support.mosquitto import Mosquitto
from tests.support.sources import ROOT

PATIENCE_S = 120.0
PAST_S = 60
LOGIN = ("broker.username=player", "broker.password_variable=PLAYER_WORD")
WORD = "a-word-of-the-broker-s"


class Ears:
    """All that a broker passes on, by topic."""

    def __init__(self, port: int) -> None:
        self.heard: dict[str, list[bytes]] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("ears", WORD)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", 1)
        self._client.loop_start()

    def _hear(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.setdefault(message.topic, []).append(bytes(message.payload))

    def stamps(self, box: str) -> list[int]:
        payloads = list(self.heard.get(f"sensors/{box}/player", ()))
        return [reading["t"] for payload in payloads for reading in json.loads(payload)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "simulate", "play", *overrides]


@contextmanager
def playing(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    overrides = ("boxes=[one,two]", f"past_s={PAST_S}", f"kept={folder}", f"broker.port={port}")
    process = subprocess.Popen(
        command(*overrides, f"hydra.run.dir={folder}", *LOGIN), cwd=ROOT,
        env={**os.environ, "PLAYER_WORD": WORD},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def broker_with_passwords(folder: Path) -> Mosquitto:
    passwords = folder / "passwords"
    passwords.write_text(f"ears:{WORD}\nplayer:{WORD}\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    return Mosquitto(folder / "broker", [f"password_file {passwords}"], anonymous=False)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_boxes_get_the_past_then_the_present_and_nothing_twice(tmp_path: Path) -> None:
    with broker_with_passwords(tmp_path) as broker:
        ears = Ears(broker.port)
        with playing(tmp_path / "kept", broker.port) as process:
            until(lambda: len(ears.stamps("one")) > 50 * PAST_S and bool(ears.stamps("two")))
            process.kill()
        before = len(ears.stamps("one"))
        with playing(tmp_path / "kept", broker.port) as process:
            until(lambda: len(ears.stamps("one")) > before)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        ears.close()
    stamps = ears.stamps("one")
    assert stamps == sorted(set(stamps))
    assert time.time_ns() - stamps[0] >= PAST_S * 10**9
    assert stamps[-1] <= time.time_ns()
    assert_a_box_reads(ears.heard["sensors/one/player"] + ears.heard["labels/one"])


def assert_a_box_reads(payloads: list[bytes]) -> None:
    """Each is whole readings or a label of the task to a box with ``sensors=player``."""
    task = wearables()
    config = read_config(None, ["sensors=player", "name=one"])
    intake = build_sensing(config, task, Troubles()).inlets["mqtt"].intake
    sensor = next(topic for topic in intake.addresses if topic.startswith("sensors/"))
    for payload in payloads:
        is_label = b"label" in payload
        topic = "labels/one" if is_label else sensor
        (arrival,) = intake.arrivals([Delivery(topic, payload)], time.time_ns())
        item = arrival.item
        if is_label:
            assert isinstance(item, Annotation)
            assert item.label in task.labels
        else:
            assert isinstance(item, Readings)
            assert np.isfinite(item.values_NC).all()


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (["past_s=-1"], "at least 0"),
        (["boxes=[]"], "1 to 10"),
        (["broker.password_variable=HOME"], "needs broker.username"),
        (LOGIN, "must be a variable that holds a password"),
    ],
)
def test_what_can_not_be_played_is_told_in_a_line(
    overrides: Sequence[str], rule: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        command(*overrides, f"hydra.run.dir={tmp_path}", f"kept={tmp_path}/kept"),
        capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT,
    )  # fmt: skip
    assert (ended.returncode, rule in ended.stderr) == (2, True), ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "kept").exists()
