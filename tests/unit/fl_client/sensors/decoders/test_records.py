"""Records: their places, their values, their times, and what is refused why."""

from typing import Any

import cbor2
import numpy as np
import pytest

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.influx import points
from fl_client.sensors.decoders.records import RecordDecoder
from fl_common.errors import InvalidConfiguration
from tests.support.edge import NOW
from tests.support.payloads import FIRST, records


def values(decoder: RecordDecoder, payload: bytes, *fields: str) -> list[Any]:
    found = decoder.decode(payload, fields or ("x",), NOW).values_NC.tolist()
    return [None if np.isnan(value) else value for row in found for value in row]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (b"1", 1), (b"-2.5e1", -25), (b"true", 1), (b"false", 0), (b"null", None),
        (b'"1"', 1), (b'" -2.5E+1 "', -25), (b'"+.5"', 0.5), (b'"ON"', 1), (b'"Off"', 0),
        (b'"TRUE"', 1), (b'"open"', 3), (b'"closed"', None),
    ],
)  # fmt: skip
def test_what_counts_as_a_number(sent: bytes, value: float | None) -> None:
    decoder = records("json", texts={"x": {"open": 3, "closed": None}})
    assert values(decoder, b'{"t":1699999990,"x":%b}' % sent) == [value]


def test_declared_texts_come_first() -> None:
    decoder = records("json", texts={"x": {True: 0, "off": 7, "5": 8}})
    for sent, value in ((b"true", 0), (b'"off"', 7), (b'"OFF"', 0), (b'"5"', 8), (b"5", 5)):
        assert values(decoder, b'{"t":1699999990,"x":%b}' % sent) == [value]


@pytest.mark.parametrize(
    "sent", [b'"1_000"', b'"1 g"', b'"nan"', b'"inf"', '"٣"'.encode(), b'"0x1"', b"[1]", b'""',
             b'"' + b"9" * 500 + b'"', b'"ajar"', b"{}"]
)  # fmt: skip
def test_what_is_no_number_is_refused_by_its_field(sent: bytes) -> None:
    with pytest.raises(InvalidPayload, match="type: x is"):
        values(records("json"), b'{"t":1699999990,"x":%b}' % sent)


@pytest.mark.parametrize(
    ("sent", "unit", "after_ns"),
    [
        ('"2023-11-14T22:13:10Z"', "iso", 0),
        ('"2023-11-14 23:13:10.25+01:00"', "iso", 250_000_000),
        ('"2023-11-14T22:13:10.123456789-00:00"', "iso", 123_456_789),
        ('"2023-11-14t22:13:10,5z"', "iso", 500_000_000),
        ('"20231114T221310Z"', "iso", None),
        ('"2023-11-14T22:13:10"', "iso", None),
        ('"2023-11-14"', "iso", None),
        ('"2023-02-30T22:13:10Z"', "iso", None),
        ("1699999990", "iso", None),
        ("null", "iso", None),
        ("1699999990.25", "s", 250_000_000),
        ('"1699999990.25"', "s", 250_000_000),
        ('"1699999990000"', "ms", 0),
        ("1699999990000000000", "ns", 0),
        ("[]", "s", None),
        ('"now"', "s", None),
    ],
)
def test_times(sent: str, unit: str, after_ns: int | None) -> None:
    body = f'{{"t":{sent},"x":1}}'.encode()
    decoder = records("json", unit=unit)
    if after_ns is None:
        with pytest.raises(InvalidPayload):
            decoder.decode(body, ("x",), NOW)
    else:
        assert decoder.decode(body, ("x",), NOW).times_N.tolist() == [FIRST + after_ns]


@pytest.mark.parametrize(
    ("time", "unit"), [("arrival", "s"), ("t", None), ("t", "h"), ("arrival", "iso")]
)
def test_a_unit_that_does_not_fit_is_refused(time: str, unit: str | None) -> None:
    with pytest.raises(InvalidConfiguration, match=f"time_unit={unit}: "):
        records("json", time, unit)


def test_a_path_into_the_payload() -> None:
    decoder = records("json", at="body.readings")
    one = b'{"id":4,"body":{"readings":{"t":1699999990,"x":1}}}'
    assert values(decoder, one) == [1]
    assert values(decoder, one.replace(b'{"t":1699999990,"x":1}', b'[{"t":1699999990,"x":1},'
                                       b'{"t":1699999991,"x":2}]')) == [1, 2]  # fmt: skip
    with pytest.raises(InvalidPayload, match="structure"):
        values(decoder, b'{"body":{}}')


def test_a_key_may_have_dots_itself() -> None:
    decoder = records("json", "at.time")
    body = b'{"at.time":1699999990,"a":{"b.c":1,"d":{"e":[4,2]}}}'
    assert values(decoder, body, "a.b.c", "a.d.e.1", "a.d.e.2", "a.x") == [1, 2, None, None]


def test_records_that_are_not_meant_count_for_nothing() -> None:
    decoder = records("json", where={"name": "a", "port": "1"})
    body = b'[{"t":1699999990,"x":1,"name":"a","port":1},{"x":[],"name":"b"},{"name":"a","port":2}]'
    assert values(decoder, body) == [1]
    with pytest.raises(InvalidPayload, match="other: "):
        values(decoder, b'{"t":1,"x":1}')


def test_columns_must_have_one_length() -> None:
    for body in (b'{"t":[1699999990],"x":[1,2]}', b'{"t":[1699999990],"x":1}', b'{"t":[],"x":[]}'):
        with pytest.raises(InvalidPayload, match="structure"):
            values(records("json"), body)


def test_several_readings_have_not_arrived_in_order() -> None:
    with pytest.raises(InvalidPayload, match="need stamps of their own"):
        values(records("json", "arrival", None), b'[{"x":1},{"x":2}]')


def test_cbor_with_its_own_kinds() -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    when = datetime.fromtimestamp(FIRST / 1e9, UTC)
    body = {"t": when, "x": Decimal("1.5"), "y": float("nan")}
    assert values(records("cbor"), cbor2.dumps(body), "x", "y") == [1.5, None]
    assert values(records("cbor", unit="iso"), cbor2.dumps(body | {"y": True}), "y") == [1]
    pair = [cbor2.dumps({"t": 1_699_999_990 + n, "x": n}) for n in range(2)]
    assert values(records("cbor"), b"".join(pair)) == [0, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("m x=1", {"name": "m", "tags": {}, "fields": {"x": 1}, "timestamp": None}),
        ("m\\,\\ a,t\\=g\\ 1=v\\,\\ w x\\ y=-1e3 7\n",
         {"name": "m, a", "tags": {"t=g 1": "v, w"}, "fields": {"x y": -1000.0}, "timestamp": 7}),
        ('m a="b \\"c\\" \\\\, =d\ne",f=t,g=FALSE,h=12i,i=3u -9 \r\n',
         {"name": "m", "tags": {}, "fields": {"a": 'b "c" \\, =d\ne', "f": True, "g": False,
          "h": 12, "i": 3}, "timestamp": -9}),
    ],
)  # fmt: skip
def test_line_protocol(text: str, found: dict[str, Any]) -> None:
    assert points(text) == [found]


@pytest.mark.parametrize(
    "text", ["m", "m ", "m x", "m x=", "m x=1 now", "m x=one", "m, x=1", "m,a x=1", 'm x="1',
             "m x=1 7 8", "m x=1,", ",a=b x=1", "m x=1i2", "m x=1 1.5"]
)  # fmt: skip
def test_what_is_not_line_protocol_is_refused(text: str) -> None:
    with pytest.raises(InvalidPayload, match="influx: "):
        points(text)
    with pytest.raises(InvalidPayload, match="structure: "):
        values(records("influx", "timestamp", "ns"), b"# nothing\n\n")
