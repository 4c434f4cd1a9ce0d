"""A camera as a sensor: pictures in the task's units and size, each with a time of its own."""

from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.sensors import Readings
from fl_client.sensors.decoders.pictures import PictureDecoder
from fl_client.sensors.decoders.unwrap import Envelope, Gzip
from fl_client.sensors.intake import Intake
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_common.errors import InvalidConfiguration
from tests.support.edge import TASK
from tests.support.pictures import file_of, noise, task

START = 1_700_000_000 * 10**9
COLOURS = ("red", "green", "blue")
HEIGHT, WIDTH = 20, 30
PNG = file_of(noise(7))


def decoder(width: int = WIDTH) -> PictureDecoder:
    return PictureDecoder(["png"], width, HEIGHT, None, None, "arrival")


def camera(one: Any, *channels: str, of: Any = None, **scale: float) -> Sensor:
    wanted = of or task(HEIGHT, WIDTH, *channels)
    declared = [Channel(name, name, "level", **scale) for name in channels]
    return Sensor("camera", "sensors/eyes/camera", one, declared, wanted)


def test_a_sensor_reads_a_picture_in_the_tasks_units() -> None:
    pixels = noise(10)
    plain, identity = camera(decoder(), *COLOURS).read(Delivery("", file_of(pixels)), START)
    assert plain.values_NC.shape == (1, 3 * HEIGHT * WIDTH)
    assert (plain.values_NC.reshape(3, HEIGHT, WIDTH) == pixels.transpose(2, 0, 1)).all()
    assert not plain.own_times
    assert identity.surely_new
    scaled = camera(decoder(), *COLOURS, scale=0.5, offset=1.0)
    found, _ = scaled.read(Delivery("", file_of(pixels)), START)
    np.testing.assert_allclose(found.values_NC, plain.values_NC / 2 + 1)


def test_a_picture_in_an_envelope_or_packed_is_a_picture_and_is_kept_from_the_disk_too() -> None:
    inside: dict[str, Any] = {
        "content": "data",
        "encoding": "hex",
        "time": "t",
        "time_unit": "s",
        "id": None,
    }
    for one in (Envelope(**inside, decoder=decoder()), Gzip(10**6, decoder())):
        sensor = camera(one, *COLOURS)
        assert sensor.retains_nothing
        assert sensor.picture_bytes == 4 * 3 * HEIGHT * WIDTH
    text = b'{"t": 1700000000, "data": "' + PNG.hex().encode() + b'"}'
    found, _ = camera(Envelope(**inside, decoder=decoder()), *COLOURS).read(Delivery("", text), 0)
    assert found.times_N.tolist() == [START]
    assert found.own_times


def test_a_camera_and_a_task_of_another_size_are_refused() -> None:
    for one, of, says in [
        (decoder(width=31), task(HEIGHT, WIDTH), r"sends pictures \[1, 20, 31\].*\[1, 20, 30\]"),
        (Gzip(9, decoder()), TASK, "must name channels"),
    ]:
        with pytest.raises(InvalidConfiguration, match=says):
            camera(one, "grey", of=of)


def intake() -> Intake:
    return Intake([camera(decoder(), *COLOURS)], topic_matches_sub, 10**6)


def test_pictures_that_come_together_have_times_of_their_own() -> None:
    batch = [Delivery("sensors/eyes/camera", PNG, str(number)) for number in range(3)]
    items = [arrival.item for arrival in intake().arrivals(batch, START)]
    assert [int(item.times_N[0]) - START for item in items if isinstance(item, Readings)] == [
        0,
        1,
        2,
    ]


def test_pictures_that_come_together_are_unpacked_in_parts_of_bounded_size() -> None:
    batch = [Delivery("sensors/eyes/camera", PNG, str(number)) for number in range(20_000)]
    parts = intake().parts(batch)
    assert [one for part in parts for one in part] == batch
    assert {len(part) for part in parts[:-1]} == {(64 << 20) // (4 * 3 * HEIGHT * WIDTH)}
    assert intake().parts([]) == [[]]
