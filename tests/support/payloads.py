"""Payloads as the tools of others write them, each around one instant, and how they are declared.

From the documentation or the source of each: Telegraf's JSON serializer, InfluxDB's reference of
the line protocol, Zigbee2MQTT's ``last_seen``, Home Assistant's MQTT Statestream, The Things
Stack's data formats, ChirpStack's event types. Values are made up, to be told apart.
"""

import gzip
import json
import struct
from typing import Any

import cbor2

from fl_client.sensors import Decoder
from fl_client.sensors.decoders.csv import CsvDecoder
from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.decoders.raw import RawDecoder
from fl_client.sensors.decoders.records import RecordDecoder
from fl_client.sensors.decoders.senml import SenmlDecoder
from fl_client.sensors.decoders.unwrap import Envelope, Gzip

SECONDS = 1_699_999_990
"""The instant of a payload's first reading, 10 s before ``tests.support.edge.NOW``."""
FIRST = SECONDS * 10**9
ISO = "2023-11-14T22:13:10Z"

TELEGRAF = (
    b'{"metrics":[{"fields":{"temp":21.5,"hum":60},"name":"climate","tags":{"host":"raynor"},'
    b'"timestamp":1699999990},{"fields":{"usage_idle":92.1},"name":"cpu","tags":{"cpu":"cpu0",'
    b'"host":"raynor"},"timestamp":1699999990},{"fields":{"temp":22,"hum":59},"name":"climate",'
    b'"tags":{"host":"raynor"},"timestamp":1699999991}]}\n'
)
INFLUX = (
    b"# a comment\n"
    b'climate,host=raynor,room=living\\ room temp=21.5,hum=60i,state="on, \\"hot\\"" '
    b"1699999990000000000\n"
    b"cpu,cpu=cpu0,host=raynor usage_idle=92.1 1699999990000000000\n"
    b"\n"
    b"climate,host=raynor,room=living\\ room temp=22,hum=59u 1699999991000000000\n"
)
ZIGBEE = (
    b'{"battery":97,"contact":false,"device_temperature":19,"linkquality":247,"temperature":21.5,'
    b'"last_seen":"2023-11-14T23:13:10+01:00","voltage":2995}'
)
THINGS_STACK: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": "0004A30B001C0530",
        "join_eui": "800000000000000C",
        "dev_addr": "00BCB929",
    },
    "correlation_ids": ["as:up:01E0WZGT6Y7657CPFPE5WEYDSQ"],
    "received_at": "2023-11-14T22:13:10.512021184Z",
    "uplink_message": {
        "session_key_id": "AXA50tHURLnXbcYQdR2w",
        "f_port": 1,
        "f_cnt": 21,
        "frm_payload": "CGYXcA==",
        "decoded_payload": {"temp": 21.5, "hum": 60},
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gtw1"}, "rssi": -35, "snr": 5.2}],
        "settings": {"frequency": "868300000"},
        "received_at": "2023-11-14T22:13:10Z",
    },
}
CHIRPSTACK: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2023-11-14T22:13:10.000000000+00:00",
    "deviceInfo": {"deviceName": "Test device", "devEui": "0101010101010101", "tags": {"a": "b"}},
    "devAddr": "00189440",
    "dr": 1,
    "fPort": 1,
    "data": "CGYXcA==",
    "object": {"temp": 21.5, "hum": 60.0},
    "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5}],
}
LINES = b'{"t":1699999990,"temp":21.5,"hum":60}\r\n\n{"t":1699999991,"temp":22,"hum":59}\n'
COLUMNS = b'{"t":[1699999990,1699999991],"temp":[21.5,22],"hum":[60,null]}'
EXCEL = '\ufeffZeit;Raum;temp;hum\r\n2023-11-14 22:13:10Z;"B; links";21,5;60\r\n\r\n'.encode()
PACKED = struct.pack(">2h", 2150, 6000)
"""What the devices of ``THINGS_STACK`` and ``CHIRPSTACK`` send, in hundredths."""

FIELDS = ("temp", "hum")
INSIDE = ("fields.temp", "fields.hum")


def records(form: str, time: str = "t", unit: str | None = "s", **others: Any) -> RecordDecoder:
    """A decoder of records, with what most have in common."""
    options: dict[str, Any] = {"at": None, "where": {}, "id": None, "texts": {}} | others
    return RecordDecoder(form, time=time, time_unit=unit, **options)


def lora(content: str, time: str, id: str | None) -> Envelope:
    """Two big-endian int16 without a stamp, inside a network server's JSON."""
    inner = RawDecoder(FIELDS, "int16", 1.0, "big", "arrival")
    return Envelope(content, "base64", time, "iso", id, inner)


EXAMPLES: dict[str, tuple[Decoder, bytes, tuple[str, ...]]] = {
    "json": (JsonDecoder("t", "s", None), b'{"t":1699999990,"temp":21.5,"hum":60}', FIELDS),
    "json lines": (records("json_lines"), LINES, FIELDS),
    "columns": (records("json"), COLUMNS, FIELDS),
    "telegraf": (
        records("json", "timestamp", at="metrics", where={"name": "climate"}), TELEGRAF, INSIDE
    ),
    "influx": (
        records("influx", "timestamp", "ns", where={"name": "climate"}), INFLUX, INSIDE
    ),
    "cbor": (
        records("cbor"), cbor2.dumps({"t": SECONDS, "temp": 21.5, "hum": 60}), FIELDS
    ),
    "zigbee2mqtt": (records("json", "last_seen", "iso"), ZIGBEE, ("temperature", "contact")),
    "value": (records("value", "arrival", None), b"21.5", ("value",)),
    "things stack": (
        records("json", "uplink_message.received_at", "iso"),
        json.dumps(THINGS_STACK).encode(),
        ("uplink_message.decoded_payload.temp", "uplink_message.decoded_payload.hum"),
    ),
    "things stack, bytes": (
        lora("uplink_message.frm_payload", "uplink_message.received_at", None),
        json.dumps(THINGS_STACK).encode(), FIELDS,
    ),
    "chirpstack": (
        records("json", "time", "iso", id="deduplicationId"),
        json.dumps(CHIRPSTACK).encode(), ("object.temp", "object.hum"),
    ),
    "chirpstack, bytes": (
        lora("data", "time", "deduplicationId"), json.dumps(CHIRPSTACK).encode(), FIELDS
    ),
    "gzip": (Gzip(10_000, records("json_lines")), gzip.compress(LINES, mtime=0), FIELDS),
    "csv": (CsvDecoder(["t", *FIELDS], "t", "s", ",", ".", {}), b"1699999990,21.5,60\n", FIELDS),
    "csv of excel": (CsvDecoder(None, "Zeit", "iso", ";", ",", {}), EXCEL, FIELDS),
    "raw": (
        RawDecoder(FIELDS, "float32", 1.0, "little", "stamp"),
        struct.pack("<q2f", FIRST, 21.5, 60), FIELDS,
    ),
    "senml": (
        SenmlDecoder("json"),
        b'[{"bn":"a:","bt":1699999990,"n":"temp","u":"Cel","v":21.5},{"n":"hum","v":60}]',
        ("a:temp", "a:hum"),
    ),
    "senml cbor": (
        SenmlDecoder("cbor"),
        cbor2.dumps([{-3: SECONDS, 0: "temp", 2: 21.5}, {0: "hum", 2: 60}]), FIELDS,
    ),
}  # fmt: skip
"""By name: a decoder, a payload, and fields of which the payload has each."""
