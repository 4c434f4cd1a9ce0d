"""Payloads as other tools write them: each gives the readings that are in it."""

import json

import numpy as np
import pytest

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.testing import check_decoder
from tests.support.edge import NOW
from tests.support.payloads import (
    CHIRPSTACK,
    EXAMPLES,
    FIELDS,
    FIRST,
    INSIDE,
    THINGS_STACK,
    ZIGBEE,
    records,
)

ONE = [[21.5, 60.0]]
TWO = [[21.5, 60.0], [22.0, 59.0]]
READ = {
    "json lines": TWO,
    "columns": [[21.5, 60.0], [22.0, np.nan]],
    "telegraf": TWO,
    "influx": TWO,
    "zigbee2mqtt": [[21.5, 0.0]],
    "value": [[21.5]],
    "things stack, bytes": [[2150.0, 6000.0]],
    "chirpstack, bytes": [[2150.0, 6000.0]],
    "gzip": TWO,
}


def decoded(name: str) -> Decoded:
    decoder, payload, fields = EXAMPLES[name]
    return decoder.decode(payload, fields, NOW)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_its_readings(name: str) -> None:
    found = decoded(name)
    np.testing.assert_array_equal(found.values_NC, READ.get(name, ONE))
    first = NOW if name == "value" else FIRST
    assert found.times_N.tolist() == [first + n * 10**9 for n in range(len(found.times_N))]
    assert found.own_times == (name != "value")
    assert found.id == (CHIRPSTACK["deduplicationId"] if "chirpstack" in name else None)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "columns"])
def test_a_decoder_keeps_its_contract(name: str) -> None:
    check_decoder(*EXAMPLES[name])


def test_a_message_of_the_things_stack_may_lack_values_and_payload() -> None:
    message = json.loads(json.dumps(THINGS_STACK))
    del message["uplink_message"]["decoded_payload"]["hum"]
    decoder, _, fields = EXAMPLES["things stack"]
    found = decoder.decode(json.dumps(message).encode(), fields, NOW)
    np.testing.assert_array_equal(found.values_NC, [[21.5, np.nan]])
    del message["uplink_message"]["frm_payload"]
    with pytest.raises(InvalidPayload, match="has no text at"):
        EXAMPLES["things stack, bytes"][0].decode(json.dumps(message).encode(), FIELDS, NOW)


@pytest.mark.parametrize(
    ("last_seen", "unit", "time"),
    [
        (b'"2023-11-14T22:13:10.000Z"', "iso", FIRST),
        (b'"2023-11-14T23:13:10+01:00"', "iso", FIRST),
        (b"1699999990000", "ms", FIRST),
    ],
)
def test_zigbee2mqtt_says_when_in_each_of_its_ways(last_seen: bytes, unit: str, time: int) -> None:
    body = ZIGBEE.replace(b'"2023-11-14T23:13:10+01:00"', last_seen)
    found = records("json", "last_seen", unit).decode(body, ("temperature",), NOW)
    assert found.times_N.tolist() == [time]


def test_zigbee2mqtt_need_not_say_when() -> None:
    found = records("json", "arrival", None).decode(ZIGBEE, ("temperature",), NOW)
    assert (found.times_N.tolist(), found.own_times) == ([NOW], False)


@pytest.mark.parametrize(
    ("state", "value"),
    [(b"21.5", 21.5), (b"on", 1), (b"OFF", 0), (b"True", 1), (b"heat", 2), (b"unavailable", None)],
)
def test_home_assistant_publishes_a_state_alone(state: bytes, value: float | None) -> None:
    decoder = records(
        "value", "arrival", None, texts={"value": {"heat": 2, "unavailable": None, "unknown": None}}
    )
    found = decoder.decode(state, ("value",), NOW)
    np.testing.assert_array_equal(found.values_NC, [[np.nan if value is None else value]])


def test_a_device_of_line_protocol_without_a_stamp() -> None:
    decoder = records("influx", "arrival", None)
    found = decoder.decode(b"climate temp=21.5", INSIDE, NOW)
    np.testing.assert_array_equal(found.values_NC, [[21.5, np.nan]])
