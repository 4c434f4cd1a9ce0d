"""Sensor Measurement Lists (RFC 8428): a pack in JSON or CBOR, and its resolved records.

Resolving (section 4.6) puts base names before names, adds base times, values and sums, fills in
units, and makes times absolute: a time below 2^28 seconds is relative to now (section 4.5.3). An
unknown field whose label ends in "_" must be understood, so it is refused (section 4.4); any other
unknown field is ignored.
"""

import base64
import binascii
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Never

import cbor2

VERSION = 10
RELATIVE_BELOW = 2.0**28
"""Seconds; a time below is relative to now."""

_CBOR_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""Section 6, table 4."""
_NUMBERS = frozenset({"bt", "bv", "bs", "v", "s", "t", "ut"})
_TEXTS = frozenset({"bn", "bu", "n", "u", "vs"})
_VALUES = ("v", "vs", "vb", "vd")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_MOST_NESTED = 8


@dataclass(frozen=True, slots=True)
class SenmlRecord:
    """A resolved record: one measurement, in the pack's order.

    ``time`` is in seconds since 1970; ``relative``: it was given relative to ``now``. ``value`` is
    a number, text, boolean or bytes; None if only the ``sum`` (the integral of the value over time,
    unit times seconds) is given. ``update_seconds``: the next record comes within this time.
    """

    name: str
    time: float
    relative: bool
    unit: str | None = None
    value: float | str | bool | bytes | None = None
    sum: float | None = None
    update_seconds: float | None = None


class InvalidSenml(ValueError):
    """Not a pack of RFC 8428; ``reason`` is one word, the message explains it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Base:
    name: str = ""
    time: float = 0.0
    unit: str | None = None
    value: float | None = None
    sum: float | None = None


def records_of_json(payload: bytes, now: float) -> list[SenmlRecord]:
    """The resolved records of a pack in JSON (section 5); ``now`` in seconds since 1970.

    Raises:
        InvalidSenml: for anything that is not such a pack.
    """
    return _records(parsed_json(payload), now)


def records_of_cbor(payload: bytes, now: float) -> list[SenmlRecord]:
    """The resolved records of a pack in CBOR (section 6); ``now`` in seconds since 1970.

    Raises:
        InvalidSenml: for anything that is not such a pack.
    """
    file = io.BytesIO(payload)
    try:
        pack = cbor2.load(file, max_depth=_MOST_NESTED)
        rest = file.read(1)
    except Exception as error:  # tags of foreign bytes can raise many kinds of errors
        raise InvalidSenml("cbor", str(error)) from error
    if rest:
        raise InvalidSenml("cbor", "bytes after the pack")
    return _records(pack, now, _labelled)


def parsed_json(payload: bytes) -> Any:
    """Any JSON text, strictly: UTF-8, no NaN or Infinity, nothing after it.

    Raises:
        InvalidSenml: it is not JSON.
    """
    try:
        text = payload.decode("utf-8")
        if text[:1] in _BEGINNINGS:
            value, end = _JSON.raw_decode(text)
            if end == len(text):
                return value
        return _JSON.decode(text)  # with surrounding white space, or raise
    except RecursionError:
        raise InvalidSenml("nesting", "nested too deeply") from None
    except UnicodeDecodeError as error:
        raise InvalidSenml("text", str(error)) from error
    except InvalidSenml:
        raise
    except ValueError as error:
        raise InvalidSenml("json", str(error)) from error


def _refuse_constant(name: str) -> Never:
    raise InvalidSenml("number", f"{name} is not a number of JSON")


_BEGINNINGS = ("{", "[")
_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _labelled(record: Mapping[Any, Any]) -> dict[Any, Any]:
    """Fields by their JSON labels; a CBOR label without one is unknown and ignored."""
    return {_CBOR_LABELS.get(k, k) if type(k) is int else k: v for k, v in record.items()}


def _records(
    pack: object,
    now: float,
    labelled: Callable[[Mapping[Any, Any]], Mapping[Any, Any]] | None = None,
) -> list[SenmlRecord]:
    if not isinstance(pack, list) or not pack:
        raise InvalidSenml("structure", "a pack is a list of at least one record")
    base, version, found = _Base(), None, []
    for number, fields in enumerate(pack):
        if not isinstance(fields, dict) or not fields:
            raise InvalidSenml("structure", f"record {number} is not a map with fields")
        record = labelled(fields) if labelled else fields
        record = _checked(record)
        version = _version(record, version, number)
        base = _new_base(base, record)
        found.append(_resolved(record, base, now))
    return found


def _checked(record: Mapping[Any, Any]) -> dict[str, Any]:
    """The known fields, with checked types; numbers as float."""
    known: dict[str, Any] = {}
    for label, value in record.items():
        if label in _NUMBERS:
            known[label] = _number(label, value)
        elif label in _TEXTS:
            if type(value) is not str:
                raise InvalidSenml("type", f"{label} must be text")
            known[label] = value
        elif label == "vb":
            if type(value) is not bool:
                raise InvalidSenml("type", "vb must be true or false")
            known[label] = value
        elif label == "vd":
            known[label] = _data(value)
        elif label == "bver":
            known[label] = value
        elif isinstance(label, str) and label.endswith("_"):
            raise InvalidSenml("field", f"{label!r} must be understood, and is not known")
    return known


def _number(label: str, value: object) -> float:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise InvalidSenml("type", f"{label} must be a number")
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise InvalidSenml("number", f"{label} is not finite")
    return number


def _data(value: object) -> bytes:
    """``vd``: bytes in CBOR, base64url without padding in JSON (section 5)."""
    if isinstance(value, bytes):
        return value
    if type(value) is not str or "=" in value:
        raise InvalidSenml("type", "vd must be base64url without padding")
    try:
        padded = value.encode() + b"=" * (-len(value) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSenml("type", f"vd must be base64url: {error}") from error


def _version(record: Mapping[str, Any], before: int | None, number: int) -> int:
    """The pack's version: the same for all records, and not newer than ours (section 4.4)."""
    version = record.get("bver", before if number else VERSION)
    if type(version) is not int or version < 1:
        raise InvalidSenml("version", "bver must be a whole number above 0")
    if version > VERSION:
        raise InvalidSenml("version", f"version {version} is newer than {VERSION}")
    if number and version != before:
        raise InvalidSenml("version", "all records of a pack must have the same version")
    return version


def _new_base(base: _Base, record: Mapping[str, Any]) -> _Base:
    if not ("bn" in record or "bt" in record or "bu" in record or "bv" in record or "bs" in record):
        return base
    names = {"bn": "name", "bt": "time", "bu": "unit", "bv": "value", "bs": "sum"}
    return replace(
        base, **{name: record[label] for label, name in names.items() if label in record}
    )


def _resolved(record: Mapping[str, Any], base: _Base, now: float) -> SenmlRecord:
    name = base.name + record.get("n", "")
    if not _NAME.fullmatch(name):
        raise InvalidSenml("name", f"{name[:80]!r} is not a name of section 4.5.1")
    given = [label for label in _VALUES if label in record]
    if len(given) > 1:
        raise InvalidSenml("value", f"{' and '.join(given)} stand in one record")
    value = record[given[0]] if given else None
    if base.value is not None and given in ([], ["v"]):
        value = base.value + (value or 0.0)
    total = record.get("s")
    if base.sum is not None:
        total = base.sum + (total or 0.0)
    if value is None and total is None:
        raise InvalidSenml("value", "a record has neither value nor sum")
    time = base.time + record.get("t", 0.0)
    for number in (value, total, time):
        if isinstance(number, float) and not math.isfinite(number):
            raise InvalidSenml("number", "a sum with a base field is not finite")
    relative = time < RELATIVE_BELOW
    unit = record.get("u", base.unit)
    if relative:
        time += now
    return SenmlRecord(name, time, relative, unit, value, total, record.get("ut"))
