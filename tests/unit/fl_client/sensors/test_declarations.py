"""Declarations that payloads do not fit: refused at the start, or told by time, field and place."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.sensors import Decoded, InvalidPayload, Malformed
from fl_client.sensors.decoders.csv import CsvDecoder
from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.decoders.raw import RawDecoder
from fl_client.sensors.decoders.records import RecordDecoder
from fl_client.sensors.decoders.unwrap import Envelope, Gzip
from fl_client.sensors.intake import AnnotationTopic, Intake
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_common.errors import InvalidConfiguration
from tests.support.edge import NOW, TASK
from tests.support.reading import X_AND_Y, check, read, reason

CSV = CsvDecoder(["t", "x", "y"], "t", "s", ",", ".", {})
RAW = RawDecoder(["x", "y"], "float32", 50.0, "little", "stamp")


@pytest.mark.parametrize(
    ("stamp", "why"),
    [
        (struct.pack(">q", NOW), "byte_order"),
        (struct.pack("<q", NOW // 10**9), "time_unit"),
        (struct.pack("<q", NOW // 10**6), "time_unit"),
        (struct.pack("<q", 0), "past"),
        (struct.pack("<q", 2_600_000_000 * 10**9), "future"),
    ],
)
def test_a_raw_stamp_that_can_not_be_right_says_what_is_likely(stamp: bytes, why: str) -> None:
    assert reason(RAW, stamp + struct.pack("<2f", 1, 1)) == why


def test_big_endian_arrays() -> None:
    body = struct.pack(">q4h", NOW, 1, -2, 3, 4)
    found = read(RawDecoder(["x", "y"], "int16", 50.0, "big", "stamp"), body)
    check(found, [NOW, NOW + 20_000_000], [[1, -2], [3, 4]])


def test_rows_without_a_stamp_end_at_their_arrival() -> None:
    decoder = RawDecoder(["x", "y"], "int16", 50.0, "little", "arrival")
    delivery = Delivery("s/1", struct.pack("<4h", 1, 2, 3, 4))
    found, identity = Sensor("wrist", "s/1", decoder, X_AND_Y, TASK).read(delivery, NOW)
    check(found, [NOW - 20_000_000, NOW], [[1, 2], [3, 4]])
    assert identity.surely_new


def test_a_field_that_no_payload_can_have_is_refused_at_the_start() -> None:
    typo = [Channel("x", "acc_X", "g")]
    for decoder in (CSV, RAW, Gzip(99, Gzip(99, RAW)), Envelope("data", "hex", "arrival", None,
                    None, RAW)):  # fmt: skip
        with pytest.raises(InvalidConfiguration, match=r"field=acc_X: must be one of .*x, y\)"):
            Sensor("w", "a", decoder, typo, TASK)
    texts = RecordDecoder("json", None, {}, "t", "s", None, {"dor": {"open": 1}})
    with pytest.raises(InvalidConfiguration, match=r"texts.dor: must be a field of the sensor"):
        Sensor("w", "a", texts, X_AND_Y, TASK)


def test_a_field_that_never_comes_is_named() -> None:
    channels = [Channel("x", "x", "g"), Channel("y", "Y", "g")]
    sensor = Sensor("a", "s/a", JsonDecoder("t", "ns", None), channels, TASK)

    def send(body: str) -> None:
        sensor.read(Delivery("s/a", f'{{"t":{NOW},{body}}}'.encode()), NOW)

    for _ in range(19):
        send('"x":1')
    assert sensor.lacking() == ()
    send('"x":1')
    assert sensor.lacking() == ("Y",)
    assert Intake([sensor], topic_matches_sub, 1000).lacking() == {"a": ("Y",)}
    send('"Y":1')
    assert sensor.lacking() == ()


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("s/a\u00a0b", "U+00A0 NO-BREAK SPACE"),
        ("s/a\u200b", "U+200B ZERO WIDTH SPACE"),
        ("s/a\u200db", "U+200D ZERO WIDTH JOINER"),
        ("s/\udcff", "U+DCFF"),
        ("t", "no sensor has this topic"),
    ],
)
def test_a_topic_with_a_hidden_character_is_told(
    topic: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = Sensor("a", "s/+", JsonDecoder("t", "s", None), X_AND_Y, TASK, [])
    body = b'{"t":1699e6,"x":1}'
    (arrival,) = Intake([sensor], topic_matches_sub, 1000).arrivals([Delivery(topic, body)], NOW)
    assert isinstance(arrival.item, Malformed)
    assert arrival.item.reason == "topic"
    assert why in caplog.text


def test_a_declared_text_with_a_hidden_character_is_refused() -> None:
    task = replace(TASK, labels=("rest", "very\u00a0fast"))
    for name, topic, of, said in (
        ("a\u00adb", "t", TASK, "sensor .*SOFT HYPHEN"),
        ("a", "t\u200b", TASK, "topic .*ZERO WIDTH SPACE"),
        ("a", "t", task, "label 'very.*NO-BREAK SPACE"),
    ):
        with pytest.raises(InvalidConfiguration, match=said):
            Sensor(name, topic, RAW, X_AND_Y, of)
    with pytest.raises(InvalidConfiguration, match=r"topic of annotations .*U\+200D ZERO"):
        AnnotationTopic("labels\u200d", "s")


def test_a_label_with_a_hidden_character_is_told() -> None:
    body = '{"from":1698e6,"to":1699e6,"label":"very\u2009fast"}'.encode()
    with pytest.raises(InvalidPayload, match=r"label has the character U\+2009 THIN SPACE"):
        AnnotationTopic("labels", "s").read(Delivery("labels", body))


_NOTHING: dict[str, float] = {}


class _Extension:
    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        if payload == b"reason":
            raise InvalidPayload("the value was 7", "")
        if payload == b"form":
            return Decoded(np.array([NOW]), np.zeros((1, 7)), None)
        return Decoded(np.array([NOW]), np.array([[_NOTHING[field] for field in fields]]), None)


@pytest.mark.parametrize("payload", [b"key", b"form", b"reason"])
def test_an_error_of_any_decoder_is_a_malformed_message(
    payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = Sensor("a", "s/a", _Extension(), X_AND_Y, TASK)
    (arrival,) = Intake([sensor], topic_matches_sub, 1000).arrivals([Delivery("s/a", payload)], NOW)
    assert isinstance(arrival.item, Malformed)
    assert arrival.item.reason == "decoder"
    said = {b"key": ", for x)", b"form": ", for x, y)", b"reason": "reason that is not one word"}
    assert "_Extension" in caplog.text
    assert said[payload] in caplog.text
