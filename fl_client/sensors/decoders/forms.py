"""Forms of records: from a payload to the objects in it, as dictionaries and lists.

Each takes a payload and raises InvalidPayload for what is not of its form.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.influx import points
from fl_client.sensors.decoders.senml_pack import InvalidSenml, parsed_json

_MOST_NESTED = 20
_MARK = b"\xef\xbb\xbf"


def json_value(payload: bytes) -> Any:
    """Any JSON text, strictly."""
    try:
        return parsed_json(payload.removeprefix(_MARK))
    except InvalidSenml as error:
        raise InvalidPayload(error.reason, str(error)) from error


def json_lines(payload: bytes) -> list[Any]:
    """One JSON text a line; blank lines count for nothing."""
    lines = payload.removeprefix(_MARK).splitlines()
    return [json_value(line) for line in lines if line.strip()]


def cbor_value(payload: bytes) -> Any:
    """One CBOR item (RFC 8949), or a sequence of them (RFC 8742) as a list."""
    file, found = io.BytesIO(payload), []
    try:
        while file.tell() < len(payload):
            found.append(cbor2.load(file, max_depth=_MOST_NESTED))
    except Exception as error:  # tags of foreign bytes can raise many kinds of errors
        raise InvalidPayload("cbor", type(error).__name__) from error
    return found[0] if len(found) == 1 else found


def influx_lines(payload: bytes) -> list[Any]:
    """Points of InfluxDB's line protocol, in the form in which Telegraf writes them as JSON."""
    return points(text_of(payload))


def bare_value(payload: bytes) -> dict[str, Any]:
    """A payload that is the value itself, such as ``21.5`` or ``on``: the field ``value``."""
    return {"value": text_of(payload).strip() or None}


def text_of(payload: bytes) -> str:
    """UTF-8 with or without a byte-order mark.

    Raises:
        InvalidPayload: it is not UTF-8.
    """
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        other = "; its first bytes are those of UTF-16" if payload[:2] in _UTF16 else ""
        raise InvalidPayload("text", f"not UTF-8 at byte {error.start}{other}") from error


_UTF16 = (b"\xff\xfe", b"\xfe\xff")

FORMS: Mapping[str, Callable[[bytes], Any]] = {
    "json": json_value,
    "json_lines": json_lines,
    "cbor": cbor_value,
    "influx": influx_lines,
    "value": bare_value,
}
"""The forms by their names."""
