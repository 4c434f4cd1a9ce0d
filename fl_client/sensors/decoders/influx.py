"""InfluxDB's line protocol: ``name,tag=text field=1.5,other=2i 1700000000000000000``.

Written from InfluxDB's reference of the protocol: a backslash escapes commas, equals signs and
spaces in names and tags, and quotes in text; a number may end in i or u (a whole number); a
line that begins with # is a comment.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.numbers import number_of

_GAP = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*(?:#[^\n]*)?")
_NAME = re.compile(r"(?:\\[, ]|[^, \n])++")
_KEY = re.compile(r"(?:\\[,= ]|[^,= \n])++")
_TEXT = re.compile(r'"((?:\\.|[^"\\])*+)"', re.DOTALL)
_BARE = re.compile(r'[^, \n"]++')
_SPACE = re.compile(r" ++")
_STAMP = re.compile(r" *+(-?[0-9]{1,30})?[ \r]*+(?:\n|\Z)", re.ASCII)
_ESCAPED = re.compile(r'\\([,= "\\])')
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}[iu]", re.ASCII)
_SWITCHED: Mapping[str, bool] = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}


def points(text: str) -> list[dict[str, Any]]:
    """The points of ``text``: ``name``, ``tags``, ``fields`` and ``timestamp``, None if absent.

    Raises:
        InvalidPayload: it is not line protocol.
    """
    return list(_points(text))


def _points(text: str) -> Iterator[dict[str, Any]]:
    position = 0
    while (position := _past_gap(text, position)) < len(text):
        name, position = _next(_NAME, text, position)
        tags: dict[str, Any] = {}
        while text[position : position + 1] == ",":
            key, position = _key(text, position + 1)
            value, position = _next(_KEY, text, position)
            tags[key] = _plain(value)
        fields, position = _fields(text, _next(_SPACE, text, position)[1])
        if not (stamp := _STAMP.match(text, position)):
            raise InvalidPayload("influx", "after the fields of a point comes no time stamp")
        position = stamp.end()
        stamped = int(stamp[1]) if stamp[1] else None
        yield {"name": _plain(name), "tags": tags, "fields": fields, "timestamp": stamped}


def _fields(text: str, position: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    while True:
        key, position = _key(text, position)
        if found := _TEXT.match(text, position):
            fields[key], position = _plain(found[1]), found.end()
        else:
            bare, position = _next(_BARE, text, position)
            fields[key] = _value(bare.rstrip("\r"), key)
        if text[position : position + 1] != ",":
            return fields, position
        position += 1


def _value(bare: str, key: str) -> object:
    if bare in _SWITCHED:
        return _SWITCHED[bare]
    if _WHOLE.fullmatch(bare):
        return int(bare[:-1])
    if (number := number_of(bare)) is None:
        raise InvalidPayload("influx", f"{key[:80]} is neither a number nor a quoted text")
    return number


def _key(text: str, position: int) -> tuple[str, int]:
    key, position = _next(_KEY, text, position)
    if text[position : position + 1] != "=":
        raise InvalidPayload("influx", "a tag or a field has no value")
    return _plain(key), position + 1


def _next(pattern: re.Pattern[str], text: str, position: int) -> tuple[str, int]:
    if not (found := pattern.match(text, position)):
        raise InvalidPayload("influx", f"not line protocol at character {position}")
    return found[0], found.end()


def _past_gap(text: str, position: int) -> int:
    found = _GAP.match(text, position)
    return found.end() if found else position


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
