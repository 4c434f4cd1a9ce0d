"""Sensors as declared: each form of payload, units, identities, and what is refused why."""

import json
import struct

import numpy as np
import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.sensors import (
    Annotation,
    Decoder,
    InvalidPayload,
    Malformed,
    Readings,
)
from fl_client.sensors.decoders.csv import CsvDecoder
from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.decoders.raw import RawDecoder
from fl_client.sensors.decoders.senml import SenmlDecoder
from fl_client.sensors.intake import AnnotationTopic, Intake, taken_of
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_client.sensors.units import conversion
from fl_client.store.spool_identities import Appended, Arrival
from fl_common.errors import InvalidConfiguration
from tests.support.edge import NOW, TASK
from tests.support.reading import X_AND_Y, check, read, reason


def test_json_by_its_mapping() -> None:
    decoder = JsonDecoder("at.unix", "ms", "number")
    channels = (Channel("y", "acc.1", "g"), Channel("x", "acc.0", "g"))
    first = {"at": {"unix": 1_699_000_000_001}, "number": 7, "acc": [0.5, -1]}
    found = read(decoder, json.dumps(first).encode(), channels)
    check(found, [1_699_000_000_001_000_000], [[-1, 0.5]])
    assert (found.sensor, found.id.rpartition(" ")[0]) == ("wrist", "s/1 7")
    second = {"at": {"unix": 1_699_000_000_021}, "acc": [0.25, None]}
    found = read(decoder, json.dumps([first, second]).encode(), channels)
    check(found, [1_699_000_000_001_000_000, 1_699_000_000_021_000_000],
          [[-1, 0.5], [np.nan, 0.25]])  # fmt: skip


def test_whole_nanoseconds_stay_exact() -> None:
    found = read(JsonDecoder("t", "ns", None), json.dumps({"t": NOW + 1, "x": 1}).encode())
    check(found, [NOW + 1], [[1, np.nan]])
    assert found.id.rpartition(" ")[0] == f"s/1 {NOW + 1}"


def test_csv_lines() -> None:
    decoder = CsvDecoder(["t", "ignored", "y", "x"], "t", "s", ";", ".", {})
    found = read(decoder, b"1699000000.5;7;1;2\r\n1699000001;;; -3e-1\n")
    check(found, [1_699_000_000_500_000_000, 1_699_000_001_000_000_000], [[2, 1], [-0.3, np.nan]])


def test_raw_arrays() -> None:
    body = struct.pack("<q6h", NOW - 10**9, 1, 2, 3, 4, 5, 6)
    found = read(RawDecoder(["x", "n", "y"], "int16", 50.0, "little", "stamp"), body)
    check(found, [NOW - 10**9, NOW - 10**9 + 20_000_000], [[1, 3], [4, 6]])


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_senml_rows_by_time(form: str) -> None:
    import cbor2

    channels = (Channel("x", "d:x", "g"), Channel("y", "d:y", "g"))
    if form == "json":
        pack = [{"bn": "d:", "bt": 1.699e9, "n": "x", "v": 1}, {"n": "y", "v": 2},
                {"n": "x", "t": 1, "v": 3}, {"n": "other", "vs": "text"}]  # fmt: skip
        payload = json.dumps(pack).encode()
    else:
        payload = cbor2.dumps([{-2: "d:", -3: 1.699e9, 0: "x", 2: 1}, {0: "y", 2: 2},
                               {0: "x", 6: 1, 2: 3}, {0: "other", 3: "text"}])  # fmt: skip
    found = read(SenmlDecoder(form), payload, channels)  # type: ignore[arg-type]
    check(found, [1_699_000_000 * 10**9, 1_699_000_001 * 10**9], [[1, 2], [3, np.nan]])


def test_a_unit_that_senml_states_is_converted_or_refused() -> None:
    channels = (Channel("x", "x", "mg"), Channel("y", "y", "counts", 2.0, 0.0))
    said = b'[{"bt":1.699e9,"n":"x","v":19.6133,"u":"m/s2"},{"n":"y","v":3}]'
    check(read(SenmlDecoder("json"), said, channels), [1_699 * 10**15], [[2, 6]])
    check(read(SenmlDecoder("json"), said.replace(b"19.6133", b"1500").replace(b"m/s2", b"mg"),
               channels), [1_699 * 10**15], [[1.5, 6]])  # fmt: skip
    for payload in (
        said.replace(b"m/s2", b"K"),
        said.replace(b'"v":3', b'"v":3,"u":"g"'),
        b'[{"bt":1.699e9,"n":"x","v":1,"u":"g"},{"n":"x","t":1,"v":1,"u":"mg"}]',
    ):
        with pytest.raises(InvalidPayload, match="is sent in"):
            read(SenmlDecoder("json"), payload, channels)


def test_units_are_converted_by_declaration() -> None:
    channels = (Channel("x", "x", "m/s2"), Channel("y", "y", "counts", 0.5, -1))
    body = b'{"t":1699000000000000000,"x":19.6133,"y":10}'
    check(read(JsonDecoder("t", "ns", None), body, channels), [1_699 * 10**15], [[2, 4]])


@pytest.mark.parametrize(
    ("unit", "to", "sent", "got"),
    [("mg", "g", 500, 0.5), ("g", "m/s2", 1, 9.80665), ("deg/s", "rad/s", 180, np.pi),
     ("degF", "Cel", 212, 100), ("Cel", "K", 0, 273.15), ("kPa", "hPa", 1, 10),
     ("V", "uV", 5e-5, 50), ("anything", "anything", 3, 3)],
)  # fmt: skip
def test_units(unit: str, to: str, sent: float, got: float) -> None:
    factor, offset = conversion(unit, to)
    assert sent * factor + offset == pytest.approx(got)


def test_a_declaration_that_can_not_hold_is_refused() -> None:
    decoder = JsonDecoder("t", "s", None)
    with pytest.raises(InvalidConfiguration, match="can't be converted to the task's unit g"):
        Sensor("w", "a", decoder, [Channel("x", "x", "Cel")], TASK)
    for names in ([], ["x", "x"], ["z"]):
        with pytest.raises(InvalidConfiguration, match="channels of the task"):
            Sensor("w", "a", decoder, [Channel(name, name, "g") for name in names], TASK)
    with pytest.raises(InvalidConfiguration, match="must be one of s, ms, us, ns, iso"):
        JsonDecoder("t", "h", None)
    with pytest.raises(InvalidConfiguration, match="each column once"):
        CsvDecoder(["x", "x"], "x", "s", ",", ".", {})
    with pytest.raises(InvalidConfiguration, match="must be one of float32"):
        RawDecoder(["x"], "complex64", 1.0, "little", "stamp")


JSON, CSV = JsonDecoder("t", "s", "id"), CsvDecoder(["t", "x", "y"], "t", "s", ",", ".", {})
RAW = RawDecoder(["x", "y"], "float32", 50.0, "little", "stamp")


@pytest.mark.parametrize(
    ("decoder", "payload", "why"),
    [
        (JSON, b"", "json"),
        (JSON, b"[]", "structure"),
        (JSON, b"7", "structure"),
        (JSON, b'{"t":1699e6,"id":1', "json"),
        (JSON, b'{"t":1699e6,"id":1,"x":NaN}', "number"),
        (JSON, b'{"t":1699e6,"id":1,"x":1e999}', "number"),
        (JSON, b'{"t":1699e6,"id":1,"x":1e300}', "number"),
        (JSON, b'{"t":1699e6,"id":1,"x":"1 g"}', "type"),
        (JSON, b'{"t":1699e6,"id":1,"x":[1]}', "type"),
        (JSON, b'{"t":1699e6,"id":1}', "empty"),
        (JSON, b'{"id":1,"x":1}', "time"),
        (JSON, b'{"t":"now","id":1,"x":1}', "time"),
        (JSON, b'{"t":true,"id":1,"x":1}', "time"),
        (JSON, b'{"t":-1,"id":1,"x":1}', "time"),
        (JSON, b'{"t":1e300,"id":1,"x":1}', "time"),
        (JSON, b'{"t":1,"id":1,"x":1}', "past"),
        (JSON, b'{"t":4e9,"id":1,"x":1}', "future"),
        (JSON, b'{"t":1699e6,"x":1}', "id"),
        (JSON, b"[" * 99_999, "nesting"),
        (CSV, b"", "structure"),
        (CSV, b"1699000000,2\n", "structure"),
        (CSV, b"1699000000,2,x\n", "type"),
        (CSV, b"1699000000,2,nan\n", "type"),
        (CSV, b"1699000000,2,inf\n", "type"),
        (CSV, b"1699000000,2,1_000\n", "type"),
        (CSV, "1699000000,2,3²".encode(), "type"),
        (CSV, "1699000000,2,٣".encode(), "type"),
        (CSV, b'1699000000,2,"3', "csv"),
        (CSV, b"1699000000,2,\xb2", "text"),
        (CSV, "1699000000,2,3".encode("utf-16"), "text"),
        (CSV, b",2,3\n", "time"),
        (RAW, b"", "length"),
        (RAW, bytes(8), "length"),
        (RAW, bytes(17), "length"),
        (RAW, struct.pack("<q2f", NOW, np.inf, 1), "number"),
        (RAW, struct.pack("<q2f", -1, 1, 1), "time"),
        (RAW, struct.pack("<q4f", 2**63 - 1, 1, 1, 1, 1), "time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_payload_says_why(decoder: Decoder, payload: bytes, why: str) -> None:
    assert reason(decoder, payload) == why


LABEL = b'{"from":1699e6,"to":1699000001,"label":"run"}'


def intake(*sensors: Sensor) -> Intake:
    return Intake([AnnotationTopic("labels/#", "s"), *sensors], topic_matches_sub, 1000)


def test_messages_go_to_their_sensor_or_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    decoder = JsonDecoder("t", "s", None)
    sensors = [Sensor(name, f"s/{name}", decoder, X_AND_Y, TASK) for name in ("a", "b")]
    body = b'{"t":1699e6,"x":1}'
    batch = [Delivery("s/b", body, "3", False), Delivery("s/c", body, "4", True),
             Delivery("s/\udcff", body, "0", False), Delivery("s/a", b"1" * 1001, "5", False),
             Delivery("labels/x", LABEL, "6", False)]  # fmt: skip
    intake_of_all = intake(*sensors)
    readings, unknown, unreadable, huge, label = intake_of_all.arrivals(batch, NOW)
    assert isinstance(readings.item, Readings)
    assert readings.item.sensor == "b"
    assert [isinstance(one.item, Malformed) and one.item.reason
            for one in (unknown, unreadable, huge)] == ["topic", "topic", "size"]  # fmt: skip
    assert [one.surely_new for one in (unknown, unreadable)] == [False, True]
    again = intake_of_all.arrivals(batch[1:4], NOW)
    assert len(again) == 3
    assert [line.split(":")[0] for line in caplog.messages] == ["topics", "a"]
    start, end = 1_699 * 10**15, 1_699 * 10**15 + 10**9
    assert label.item == Annotation(f"{start}-{end}-run", start, end, "run")


def test_a_reading_without_a_stamp_of_its_own_is_known_by_its_delivery() -> None:
    channels = [Channel("x", "x", "g")]
    sensor = Sensor("a", "s/a", SenmlDecoder("json"), channels, TASK)
    body = b'[{"n":"x","v":20}]'
    first, second, again = intake(sensor).arrivals(
        [Delivery("s/a", body, "1", False), Delivery("s/a", body, "2", False),
         Delivery("s/a", body, "1", True)], NOW)  # fmt: skip
    assert first.item.id == again.item.id != second.item.id
    assert (first.surely_new, again.surely_new) == (True, False)


def test_a_key_of_the_sender_s_tells_messages_of_one_stamp_apart() -> None:
    sensor = Sensor("a", "s/a", JsonDecoder("t", "s", None), X_AND_Y, TASK)
    body = b'{"t":1699e6,"x":1}'
    found = [
        sensor.read(Delivery("s/a", body, key, True, by_sender), NOW)[0].id
        for key, by_sender in (("k", True), ("k", True), ("l", True), ("1", False), ("2", False))
    ]
    assert found[0] == found[1] != found[2]
    assert found[3] == found[4] != found[0]


def test_what_a_transport_is_told_of_each_message() -> None:
    arrivals = intake().arrivals([Delivery("nobody", b"1"), Delivery("labels/x", b"[]")], NOW)
    full = Arrival(Annotation("a", 1, 2, "run"))
    told = taken_of([*arrivals, full, full], Appended(1, 0, {}, frozenset({3})))
    assert told == ["malformed_topic", "malformed_structure", None, "full"]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"[]", "structure"),
        (b"{", "json"),
        (b'{"from":1699e6,"to":1699e6}', "label"),
        (b'{"from":1698e6,"to":1699e6,"label":true}', "label"),
        (b'{"from":1698e6,"to":1699e6,"label":{"a":1}}', "label"),
        (b'{"from":1698e6,"to":1699e6,"label":["a",[]]}', "label"),
        (b'{"from":1698e6,"to":1699e6,"label":["a",""]}', "label"),
        (b'{"from":1698e6,"to":1699e6,"label":[' + b'"a",' * 62 + b'"a"]}', "label"),
        (
            b'{"from":1698e6,"to":1699e6,"label":['
            + b",".join([b'"' + b"a" * 200 + b'"'] * 3)
            + b"]}",
            "label",
        ),
        (b'{"from":1699e6,"label":"a"}', "time"),
        (b'{"from":1699e6,"to":1699e6,"label":"a"}', "time"),
        (b'{"from":1698e6,"to":1699e6,"label":"a","id":[]}', "id"),
        (b'{"from":1698e9,"to":1699e9,"label":"a"}', "time_unit"),
        (b'{"from":1698e3,"to":1699e3,"label":"a"}', "time_unit"),
        (b'{"from":1,"to":1699e6,"label":"a"}', "past"),
        (b'{"from":1699e6,"to":2600e6,"label":"a"}', "future"),
    ],
)
def test_a_malformed_annotation_says_why(payload: bytes, why: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        AnnotationTopic("labels", "s").read(Delivery("labels", payload))
    assert caught.value.reason == why


def test_an_annotation_may_say_its_times_in_iso() -> None:
    body = b'{"from":"2023-11-14T22:13:20Z","to":"2023-11-14T23:13:21+01:00","label":"a"}'
    read, _ = AnnotationTopic("labels", "iso").read(Delivery("labels", body))
    assert (read.from_ns, read.to_ns) == (NOW, NOW + 10**9)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"hot"', "hot"),
        ("21", "21"),
        ("21.5", "21.5"),
        ("-1e-3", "-0.001"),
        ('["hot","loud"]', "hot;loud"),
        ("[]", ""),
        ('["hot"]', "hot"),
    ],
)
def test_a_label_may_be_text_a_number_or_several(sent: str, kept: str) -> None:
    body = f'{{"from":1698e6,"to":1699e6,"label":{sent}}}'.encode()
    read, _ = AnnotationTopic("labels", "s").read(Delivery("labels", body))
    assert read.label == kept
