"""Payloads inside of payloads: bounded, and nothing but the content."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.raw import RawDecoder
from fl_client.sensors.decoders.unwrap import Envelope, Gzip
from fl_common.errors import InvalidConfiguration
from tests.support.edge import NOW
from tests.support.payloads import FIRST, records

BODY = b'{"t":1699999990,"x":1}'
PACKED = Gzip(100, records("json"))


def test_each_way_of_packing() -> None:
    for packed in (
        gzip.compress(BODY),
        zlib.compress(BODY),
        gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]) + bytes(7),
    ):
        assert PACKED.decode(packed, ("x",), NOW).times_N.tolist() == [FIRST]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(BODY, "gzip"), (gzip.compress(BODY, mtime=0)[:-9], "gzip"),
     (b"", "json"), (b"\x1f\x8b", "gzip"),
     (gzip.compress(b" " * 101, mtime=0), "size"), (gzip.compress(b" " * 60, mtime=0) * 2, "size"),
     (gzip.compress(BODY, mtime=0) + b"more", "gzip")],
)  # fmt: skip
def test_what_is_not_packed_so_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        PACKED.decode(payload, ("x",), NOW)
    assert caught.value.reason == reason


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(InvalidPayload, match="more than 100 bytes"):
        PACKED.decode(bomb, ("x",), NOW)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_the_envelope_s_time_is_the_content_s_arrival() -> None:
    inner = RawDecoder(["x"], "uint8", 1.0, "little", "arrival")
    body = json.dumps({"a": {"hex": "01 02"}, "at": FIRST // 10**6, "n": 7}).encode()
    found = Envelope("a.hex", "hex", "at", "ms", "n", inner).decode(body, ("x",), NOW)
    assert found.times_N.tolist() == [FIRST - 10**9, FIRST]
    assert (found.id, found.own_times) == ("7", True)
    found = Envelope("a.hex", "hex", "arrival", None, None, inner).decode(body, ("x",), NOW)
    assert (found.times_N.tolist(), found.id, found.own_times) == ([NOW - 10**9, NOW], None, False)
    text = json.dumps({"body": BODY.decode()}).encode()
    envelope = Envelope("body", "none", "arrival", None, None, records("json"))
    assert envelope.decode(text, ("x",), NOW).times_N.tolist() == [FIRST]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("AQ=", "encoding"), ("A Q", "encoding"), ("é", "encoding"), (1, "structure"), ("", "length")],
)
def test_a_content_that_is_not_encoded_so_is_refused(content: object, reason: str) -> None:
    inner = RawDecoder(["x"], "uint8", 1.0, "little", "arrival")
    envelope = Envelope("data", "base64", "arrival", None, None, inner)
    with pytest.raises(InvalidPayload) as caught:
        envelope.decode(json.dumps({"data": content}).encode(), ("x",), NOW)
    assert caught.value.reason == reason


def test_a_wrapping_around_nothing_is_refused() -> None:
    nothing: object = object()
    with pytest.raises(InvalidConfiguration, match="has no method decode"):
        Gzip(100, nothing)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfiguration, match="most_bytes=0"):
        Gzip(0, records("json"))
    with pytest.raises(InvalidConfiguration, match="encoding=base85"):
        Envelope("data", "base85", "arrival", None, None, records("json"))
