"""CloudEvents 1.0: the envelope of every event that a site sends over MQTT.

Binary mode, for MQTT 5: attributes are user properties, ``datacontenttype`` is the message's
content type, the payload is the data (CloudEvents MQTT protocol binding 1.0.2, section 3.1).
Structured mode, for MQTT 3.1.1 and everything else: one JSON object (section 3.2, JSON format
1.0.2). Anything that can't be parsed raises ``InvalidData`` and no other error.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from fl_common.errors import InvalidData

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
"""The content type of structured mode."""

PREDICTION = "org.jointhedots.prediction.v1"
"""The type of a prediction for one window; ``docs/reference/inference.md`` describes its data."""


@dataclass(frozen=True)
class CloudEvent:
    """One event: context attributes, and ``data``.

    ``data`` is a JSON value if ``datacontenttype`` is JSON, else bytes; None: no data.
    ``extensions`` are custom attributes: names of lower-case letters and digits, string values.

    Raises:
        InvalidData: an attribute breaks a rule of the specification (sections "Naming
            Conventions", "Type System", "Required Attributes").
    """

    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    dataschema: str | None = None
    datacontenttype: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    data: Any = None

    def __post_init__(self) -> None:
        for name, value in self.attributes().items():
            _check_attribute(name, value)
        for name in self.extensions:
            if not _EXTENSION.fullmatch(name) or name in _RESERVED:
                raise _invalid(
                    f"extension {name!r}", "is not 1 to 20 lower-case letters and digits"
                )
        if self.time is not None and self.time.tzinfo is None:
            raise _invalid(f"time {self.time}", "has no time zone")
        if self.data is not None and not _is_json(self.datacontenttype):
            if not isinstance(self.data, bytes):
                raise _invalid(f"data of type {self.datacontenttype}", "are not bytes")
            if self.datacontenttype is None:
                raise _invalid("data", "are there without datacontenttype")

    def attributes(self) -> dict[str, str]:
        """All attributes as strings, with ``specversion`` and the extensions."""
        core = {name: getattr(self, name) for name in _CORE}
        core["time"] = None if self.time is None else _written(self.time)
        present = {name: value for name, value in core.items() if value is not None}
        return {"specversion": "1.0", **present, **self.extensions}


@dataclass(frozen=True)
class MqttEvent:
    """An event as an MQTT message: content type, user properties in order, payload.

    MQTT 3.1.1 has neither of the former.
    """

    content_type: str | None
    user_properties: tuple[tuple[str, str], ...]
    payload: bytes


def to_mqtt(event: CloudEvent, *, has_properties: bool) -> MqttEvent:
    """``event`` in binary mode, or for MQTT 3.1.1, which has no properties, in structured mode."""
    return to_binary(event) if has_properties else MqttEvent(None, (), to_structured(event))


def to_binary(event: CloudEvent) -> MqttEvent:
    """``event`` in binary mode, for MQTT 5."""
    attributes = event.attributes()
    content_type = attributes.pop("datacontenttype", None)
    return MqttEvent(content_type, tuple(attributes.items()), _payload(event))


def to_structured(event: CloudEvent) -> bytes:
    """``event`` as one JSON object; over MQTT 5 its content type is ``STRUCTURED``."""
    content: dict[str, Any] = dict(event.attributes())
    if event.data is not None:
        if _is_json(event.datacontenttype):
            content["data"] = event.data
        else:
            content["data_base64"] = base64.b64encode(event.data).decode("ascii")
    return _dumped(content)


def from_mqtt(message: MqttEvent) -> CloudEvent:
    """The event of an MQTT 5 message in either mode.

    Raises:
        InvalidData: it is not a CloudEvent.
    """
    media_type = _media_type(message.content_type)
    if media_type == STRUCTURED:
        return from_structured(message.payload)
    if media_type.startswith("application/cloudevents"):
        raise _invalid(f"content type {message.content_type}", "is a form that is not read here")
    attributes = dict(message.user_properties)
    if len(attributes) != len(message.user_properties):
        raise _invalid("user properties", "name an attribute twice")
    data: Any = message.payload or None
    if data is not None and _is_json(message.content_type):
        data = _loaded(data)
    return _event(attributes | {"datacontenttype": message.content_type}, data)


def from_structured(payload: bytes) -> CloudEvent:
    """The event of a JSON object; the whole of an MQTT 3.1.1 message.

    Raises:
        InvalidData: it is not a CloudEvent.
    """
    content = _loaded(payload)
    if not isinstance(content, dict):
        raise _invalid("the payload", "is not a JSON object")
    data = content.pop("data", None)
    if "data_base64" in content:
        if data is not None:
            raise _invalid("the event", "has both data and data_base64")
        data = _decoded(content.pop("data_base64"))
        if _is_json(content.get("datacontenttype", JSON)):
            data = _loaded(data)
    elif data is not None:
        data = _as_declared(data, content.setdefault("datacontenttype", JSON))
    return _event({name: _canonical(name, value) for name, value in content.items()}, data)


_CORE = ("id", "source", "type", "time", "subject", "dataschema", "datacontenttype")
_RESERVED = {*_CORE, "specversion", "data"}
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MOST_BYTES = 65535
"""The longest string in MQTT, in bytes (MQTT 5, section 1.5.4)."""


def _event(attributes: Mapping[str, str | None], data: Any) -> CloudEvent:
    present = {name: value for name, value in attributes.items() if value is not None}
    if present.pop("specversion", None) != "1.0":
        raise _invalid("specversion", "is not 1.0")
    for name in ("id", "source", "type"):
        if name not in present:
            raise _invalid(f"attribute {name}", "is missing")
    known = {each.name for each in fields(CloudEvent)} - {"data", "extensions"}
    core: dict[str, Any] = {name: present.pop(name) for name in known & present.keys()}
    if "time" in core:
        core["time"] = _parsed_time(core["time"])
    return CloudEvent(**core, extensions=present, data=data)


def _check_attribute(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise _invalid(f"attribute {name}", "is not a text of one character or more")
    if _UNPRINTABLE.search(value):
        raise _invalid(f"attribute {name}", "has a control character or one that is no character")
    if len(value.encode()) > _MOST_BYTES:
        raise _invalid(f"attribute {name}", f"is longer than {_MOST_BYTES} bytes")
    if name in ("source", "dataschema") and " " in value:
        raise _invalid(f"attribute {name}", "is not a URI: it has a space")


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _parsed_time(text: str) -> datetime:
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass  # such as 30 February
    raise _invalid(f"time {text[:40]!r}", "is not a time of RFC 3339")


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _is_json(content_type: object) -> bool:
    media_type = _media_type(content_type if isinstance(content_type, str) else None)
    return media_type.endswith(("/json", "+json"))


def _payload(event: CloudEvent) -> bytes:
    if event.data is None:
        return b""
    return _dumped(event.data) if _is_json(event.datacontenttype) else bytes(event.data)


def _as_declared(data: Any, content_type: object) -> Any:
    """JSON unchanged; text of another type as UTF-8 bytes (JSON format, section 3.1.1)."""
    if _is_json(content_type):
        return data
    if not isinstance(data, str):
        raise _invalid("data", f"are not a text of type {content_type}")
    return _encoded(data)


def _canonical(name: str, value: object) -> str | None:
    """An attribute's value as a string (CloudEvents, section "Type System")."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None or isinstance(value, str):
        return value
    raise _invalid(f"attribute {name}", "is neither a text, a whole number nor a truth value")


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _invalid("data", f"are not JSON ({error})") from error


def _loaded(payload: bytes) -> Any:
    try:
        return json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _invalid("the payload", f"is not JSON ({error})") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else b"*", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _invalid("data_base64", f"is not base64 ({error})") from error


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _invalid("data", f"are not a text ({error})") from error


def _invalid(value: str, rule: str) -> InvalidData:
    return InvalidData(f"CloudEvent: {value}", rule, "See the CloudEvents specification 1.0")
