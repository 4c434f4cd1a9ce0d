"""Every decoder, for any payload: readings or a reason, no other error, in bounded memory."""

import json
import struct
import tracemalloc
from collections.abc import Callable
from tempfile import TemporaryDirectory

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.sensors import Decoded, InvalidPayload, ReadsAddresses
from fl_client.sensors.decoders.sparkplug import SparkplugDecoder
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from tests.support import payloads, sparkplug
from tests.support.edge import NOW, TASK
from tests.support.payloads import EXAMPLES, SECONDS

SPARKPLUG = sparkplug.payload(
    sparkplug.metric("a", 1.5, alias=1, datatype=10), sparkplug.metric("b", -2, datatype=2)
)
FOLDER = TemporaryDirectory()  # gone at the end
TOPIC = sparkplug.DEVICE.format("DBIRTH")
ALL = EXAMPLES | {
    "sparkplug": (SparkplugDecoder(f"{FOLDER.name}/births.json", {}), SPARKPLUG, ("a", "b")),
    "json, id and texts": (
        payloads.records("json", "a.t", "iso", id="id", at="r", texts={"x": {"on": 5}}),
        b'{"r":[{"a":{"t":"2023-11-14T22:13:10Z"},"x":"on","y":1,"id":7}]}',
        ("x", "y"),
    ),
}
NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(SECONDS, SECONDS + 9), st.just(2**70))
KEYS = st.sampled_from(["t", "temp", "hum", "x", "id", "n", "v", "bn", "bt", "u", "s", "vs", "x_"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5), st.sampled_from(["on", "C"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=20,
)
LABELLED = st.dictionaries(st.integers(-7, 9), st.one_of(NUMBERS, st.text(max_size=3)), max_size=6)
ANY = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(str.encode),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.lists(st.dictionaries(KEYS, VALUES), max_size=3).map(lambda v: json.dumps(v).encode()),
    st.lists(LABELLED).map(cbor2.dumps),
    VALUES.map(cbor2.dumps),
    st.lists(st.lists(st.one_of(NUMBERS, st.text(max_size=3)), max_size=4)).map(
        lambda rows: "\n".join(",".join(map(str, row)) for row in rows).encode()
    ),
    st.lists(st.floats(), min_size=1, max_size=8).map(
        lambda numbers: struct.pack(f"<q{len(numbers)}d", NOW, *numbers)
    ),
)
PIECES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.binary(max_size=9)))


def changed(payload: bytes, pieces: list[tuple[int, int, bytes]]) -> bytes:
    """``payload`` with some pieces cut out, each with another in its place."""
    for place, length, piece in pieces[:4]:
        place %= len(payload) + 1
        payload = payload[:place] + piece + payload[place + length :]
    return payload


def decoded(name: str, payload: bytes) -> Decoded | None:
    """What the decoder gives; None if it refuses the payload."""
    decoder, _, fields = ALL[name]
    try:
        if isinstance(decoder, ReadsAddresses):
            return decoder.decode_from(TOPIC, payload, fields, NOW)
        return decoder.decode(payload, fields, NOW)
    except InvalidPayload as error:
        refused = error
    assert refused.reason.isidentifier()
    assert str(refused).isprintable()
    assert len(str(refused)) < 500
    return None


def check(name: str, payload: bytes) -> None:
    found = decoded(name, payload)
    if found is not None:
        assert found.times_N.dtype == "int64"
        assert found.values_NC.dtype == "float64"
        assert found.values_NC.shape == (len(found.times_N), len(ALL[name][2]))
        assert 0 < len(found.times_N) <= max(len(payload), 10_000 if name == "gzip" else 1)
        assert (found.times_N >= 0).all()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40)
@given(payload=ANY)
def test_any_payload_gives_readings_or_a_reason(name: str, payload: bytes) -> None:
    check(name, payload)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=80)
@given(pieces=PIECES)
def test_a_payload_that_was_changed_gives_readings_or_a_reason(
    name: str, pieces: list[tuple[int, int, bytes]]
) -> None:
    check(name, changed(ALL[name][1], pieces))


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=20)
@given(pieces=PIECES)
def test_a_sensor_s_readings_can_be_stored(name: str, pieces: list[tuple[int, int, bytes]]) -> None:
    decoder, payload, fields = ALL[name]
    channels = [Channel(*pair, "g") for pair in zip("xy", fields, strict=False)]
    try:
        sensor = Sensor("s", "a", decoder, channels, TASK)
        readings, _ = sensor.read(Delivery(TOPIC, changed(payload, pieces)), NOW)
    except InvalidPayload as error:
        refused = error.reason
    else:
        refused = ""
        assert readings.values_NC.shape == (len(readings.times_N), len(channels))
        assert not (abs(readings.values_NC) == float("inf")).any()
        readings.id.encode()
    assert refused != "decoder"


SIZE = 200_000
HARD: dict[str, Callable[[int], bytes]] = {
    "nested lists": lambda n: b"[" * n,
    "nested objects": lambda n: b'{"t":' * (n // 5),
    "empty objects": lambda n: b"[" + b"{}," * (n // 3) + b"{}]",
    "a long number": lambda n: b'{"t":1699999990,"temp":' + b"9" * n + b"}",
    "a long number as text": lambda n: b'{"t":"' + b"9" * n + b'","temp":"' + b"9" * n + b'x"}',
    "spaces": lambda n: b" " * n,
    "a value after spaces": lambda n: b" " * n + b"x",
    "points": lambda n: b"climate fields=1\n" * (n // 17),
    "spaces in a point": lambda n: b"climate temp=1" + b" " * n + b"x",
    "spaces before fields": lambda n: b"climate" + b" " * n + b"\n",
    "backslashes": lambda n: b'climate temp="' + b"\\" * n,
    "escaped commas": lambda n: b"climate" + b"\\," * (n // 2),
    "comments": lambda n: b"#\n" * (n // 2) + b"x",
    "quotes": lambda n: b'"' * n,
    "separators": lambda n: b"t,temp,hum\n" + b"," * n,
    "lines": lambda n: b"\n" * n + b"1",
    "lists of cbor": lambda n: b"\x81" * n,
    "a long list of cbor": lambda n: b"\x9a\xff\xff\xff\xff" + b"\xa0" * n,
    "a long text of cbor": lambda n: b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff" + b"a" * n,
    "a large number of cbor": lambda n: b"\xa2atatatemp\xc2\x5a" + n.to_bytes(4, "big") + b"9" * n,
    "a far exponent of cbor": lambda n: b"\xa1at\xc4\x82\x1b\x0d\xe0\xb6\xb3\xa7\x64\x00\x00\x01",
    "items of cbor": lambda n: b"\xa0" * n,
    "metrics": lambda n: b"\x12\x00" * (n // 2),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("hard", HARD)
def test_hard_payloads_take_no_more_than_long_ones(hard: str) -> None:
    """Each takes its time in proportion to its length: a few seconds for all decoders together."""
    body = HARD[hard](SIZE)
    tracemalloc.start()
    for name in ALL:
        check(name, body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 400 * SIZE
