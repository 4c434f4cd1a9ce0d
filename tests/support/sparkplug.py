"""Payloads of Sparkplug B, written by the wire format of protobuf alone: no decoder of ours."""

import struct
from typing import Any

from tests.support.payloads import FIRST

MS = FIRST // 10**6
DEVICE = "spBv1.0/Plant/{}/Line1/Press"
INT8, INT16, INT32, INT64, UINT8, FLOAT, DOUBLE, BOOLEAN, STRING = 1, 2, 3, 4, 5, 9, 10, 11, 12


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def content(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def metric(name: str | None = None, value: Any = None, *, alias: int | None = None,
           time: int | None = None, datatype: int | None = None, historical: bool = False,
           null: bool = False) -> bytes:  # fmt: skip
    """A metric of a payload; a whole number is written as Tahu's libraries do."""
    body = b"" if name is None else content(1, name.encode())
    for field, given in ((2, alias), (3, time), (4, datatype)):
        body += b"" if given is None else number(field, given)
    body += (number(5, 1) if historical else b"") + (number(7, 1) if null else b"")
    if isinstance(value, bool):
        body += number(14, value)
    elif isinstance(value, int):
        body += number(11, value % 2**64) if datatype == INT64 else number(10, value % 2**32)
    elif isinstance(value, float):
        body += varint(13 << 3 | 1) + struct.pack("<d", value)
    elif isinstance(value, str):
        body += content(15, value.encode())
    elif isinstance(value, bytes):
        body += content(17, value)
    return body


def payload(*metrics: bytes, time: int | None = MS, seq: int = 0) -> bytes:
    """A payload with these metrics."""
    body = b"" if time is None else number(1, time)
    return body + b"".join(content(2, one) for one in metrics) + number(3, seq)
