"""Sparkplug B: births, data by name and by alias, history, deaths, and a restart between them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.sparkplug import SparkplugDecoder
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_client.testing import check_decoder
from tests.support.edge import NOW, TASK
from tests.support.payloads import FIRST
from tests.support.sparkplug import (
    BOOLEAN,
    DEVICE,
    DOUBLE,
    INT8,
    INT16,
    INT64,
    MS,
    STRING,
    UINT8,
    metric,
    payload,
)

BIRTH = payload(
    metric("bdSeq", 0, datatype=INT64, time=MS),
    metric("Temp", 21.5, alias=1, datatype=DOUBLE, time=MS),
    metric("Axis/X", -3, alias=2, datatype=INT16, time=MS),
    metric("Door", True, alias=3, datatype=BOOLEAN, time=MS),
)
FIELDS = ("Temp", "Axis/X", "Door")


class Plant:
    """A decoder whose births lie in ``folder``."""

    def __init__(self, folder: Path, texts: Any = None) -> None:
        self.decoder = SparkplugDecoder(str(folder / "births.json"), texts or {})

    def hear(self, kind: str, body: bytes, fields: tuple[str, ...] = FIELDS,
             device: str = DEVICE) -> tuple[list[int], list[list[float | None]]]:  # fmt: skip
        found = self.decoder.decode_from(device.format(kind), body, fields, NOW)
        values = [[None if np.isnan(v) else v for v in row] for row in found.values_NC.tolist()]
        return [(time - FIRST) // 10**6 for time in found.times_N.tolist()], values


def test_a_birth_has_readings_and_names_what_data_bring_by_alias(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    assert plant.hear("DBIRTH", BIRTH) == ([0], [[21.5, -3, 1]])
    data = payload(metric(alias=1, value=22.5, time=MS + 5), metric(alias=2, value=-7), seq=1)
    assert plant.hear("DDATA", data) == ([5, 0], [[22.5, None, None], [None, -7, None]])
    named = payload(metric("Temp", 23.5, datatype=DOUBLE), metric("Other", "text"))
    assert plant.hear("DDATA", named) == ([0], [[23.5, None, None]])


def test_a_restart_knows_the_births(tmp_path: Path) -> None:
    Plant(tmp_path).hear("DBIRTH", BIRTH)
    other = "spBv1.0/Plant/{}/Line1/Drill"
    Plant(tmp_path).hear("DBIRTH", payload(metric("Temp", 1.0, alias=9, datatype=10)), device=other)
    again = Plant(tmp_path)
    assert again.hear("DDATA", payload(metric(alias=2, value=-7))) == ([0], [[None, -7, None]])
    assert again.hear("DDATA", payload(metric(alias=9, value=2.5)), device=other)[1][0][0] == 2.5
    assert (tmp_path / "births.json").stat().st_mode & 0o777 == 0o600


def test_a_new_birth_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.hear("DBIRTH", BIRTH)
    plant.hear("DBIRTH", payload(metric("Door", False, alias=1, datatype=BOOLEAN)))
    for heard in (plant, Plant(tmp_path)):
        assert heard.hear("DDATA", payload(metric(alias=1, value=True)))[1] == [[None, None, 1]]


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"a":1}', b'{"a":[[1]]}', b"\xff"])
def test_births_that_can_not_be_read_are_told(
    tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "births.json").write_bytes(broken)
    plant = Plant(tmp_path)
    assert "births.json can't be read" in caplog.text
    with pytest.raises(InvalidPayload, match="ask for a rebirth"):
        plant.hear("DDATA", payload(metric(alias=1, value=1.0)))
    plant.hear("DBIRTH", BIRTH)
    assert Plant(tmp_path).hear("DDATA", payload(metric(alias=1, value=1.0)))[1][0][0] == 1


def test_births_that_can_not_be_written_are_told_and_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder").write_text("a file")
    plant = Plant(tmp_path / "folder")
    caplog.set_level(logging.WARNING)
    plant.hear("DBIRTH", BIRTH)
    assert "can't be written" in caplog.text
    assert plant.hear("DDATA", payload(metric(alias=1, value=1.5)))[1][0][0] == 1.5


def test_a_historical_metric_is_of_its_own_time(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    late = metric("Temp", 1.0, datatype=DOUBLE, time=MS - 60_000, historical=True)
    now = metric("Temp", 2.0, datatype=DOUBLE)
    assert plant.hear("DDATA", payload(late, now), ("Temp",)) == ([-60_000, 0], [[1], [2]])
    for wrong in (payload(metric("Temp", 1.0, historical=True)), payload(now, time=None)):
        with pytest.raises(InvalidPayload, match="time: Temp has no time"):
            plant.hear("DDATA", wrong, ("Temp",))


@pytest.mark.parametrize(
    ("datatype", "sent", "value"),
    [(INT8, -1, -1), (INT8, 255, -1), (UINT8, 255, 255), (INT16, -300, -300), (INT64, -5, -5),
     (BOOLEAN, True, 1), (STRING, "on", 1), (STRING, "open", 4), (DOUBLE, 0.5, 0.5),
     (DOUBLE, None, None)],
)  # fmt: skip
def test_values_by_their_types(tmp_path: Path, datatype: int, sent: Any, value: Any) -> None:
    plant = Plant(tmp_path, {"a": {"open": 4}})
    filler = metric("b", 1.0, datatype=DOUBLE)
    body = payload(metric("a", sent, datatype=datatype, null=sent is None), filler)
    assert plant.hear("DDATA", body, ("a", "b"))[1] == [[value, 1]]


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        (DEVICE.format("DDATA"), payload(metric(alias=1, value=1.0)), "birth"),
        (DEVICE.format("DDATA"), payload(metric("Axis/X", 1)), "birth"),
        (DEVICE.format("DDATA"), payload(metric("Temp", b"a data set", datatype=16)), "type"),
        (DEVICE.format("DDATA"), payload(metric("Temp", "warm", datatype=STRING)), "type"),
        (DEVICE.format("DDATA"), payload(metric("Other", 1.0)), "other"),
        (DEVICE.format("DBIRTH"), payload(metric("Other", 1.0)), "empty"),
        (DEVICE.format("DDATA"), b"\xff\xff", "sparkplug"),
        (DEVICE.format("DDATA"), b"", "other"),
        (DEVICE.format("DDEATH"), b"", "death"),
        (DEVICE.format("DCMD"), payload(), "command"),
        (DEVICE.format("NDATA"), payload(), "sparkplug"),
        (DEVICE.format("DOTHER"), payload(), "sparkplug"),
        ("spBv1.0/STATE/host", b"{}", "sparkplug"),
        ("other/Plant/DDATA/Line1/Press", payload(), "sparkplug"),
        (DEVICE.format("DDATA"), payload(metric("Temp", 1.0), time=MS * 10**6), "time_unit"),
    ],
)
def test_what_has_no_readings_says_why(
    tmp_path: Path, topic: str, body: bytes, reason: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        Plant(tmp_path).decoder.decode_from(topic, body, FIELDS, NOW)
    assert caught.value.reason == reason


def test_a_death_ends_what_aliases_mean(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.hear("DBIRTH", BIRTH)
    for topic in (DEVICE.format("DDEATH"), "spBv1.0/Plant/NDEATH/Line1"):
        plant.hear("DBIRTH", BIRTH)
        with pytest.raises(InvalidPayload, match="death"):
            plant.decoder.decode_from(topic, b"", FIELDS, NOW)
        with pytest.raises(InvalidPayload, match="birth was not heard"):
            plant.hear("DDATA", payload(metric(alias=1, value=1.0)))


def test_it_keeps_the_contract_of_decoders(tmp_path: Path) -> None:
    check_decoder(Plant(tmp_path).decoder, BIRTH, FIELDS, DEVICE.format("DBIRTH"))


def test_a_sensor_gives_its_topic_to_the_decoder(tmp_path: Path) -> None:
    channels = [Channel("x", "Temp", "g"), Channel("y", "Axis/X", "mg")]
    sensor = Sensor("press", DEVICE.format("+"), Plant(tmp_path).decoder, channels, TASK, [])
    found, telling = sensor.read(Delivery(DEVICE.format("DBIRTH"), BIRTH), NOW)
    np.testing.assert_array_equal(found.values_NC, np.array([[21.5, -0.003]], np.float32))
    assert telling
