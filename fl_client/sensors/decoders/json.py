"""Plain JSON with a mapping: the paths of time, identity and values in the object."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import NANOSECONDS, columns, stamps
from fl_client.sensors.decoders.senml_pack import InvalidSenml, parsed_json
from fl_common.errors import InvalidConfiguration


class JsonDecoder:
    """A JSON object, or a list of objects: one reading each.

    A path is keys joined by dots ("imu.acc.0": a whole number is an index of a list). ``time`` is
    the path of the stamp, in ``time_unit`` s, ms, us or ns since 1970; ``id`` the path of the
    message's own identity, None if it has none. A field that is absent or null is missing.

    Raises:
        InvalidConfiguration: an unknown unit of time.
    """

    def __init__(self, time: str, time_unit: str, id: str | None) -> None:
        check_time_unit(time_unit)
        self._time, self._unit = _path_of(time), time_unit
        self._id = None if id is None else _path_of(id)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        try:
            found = parsed_json(payload)
        except InvalidSenml as error:
            raise InvalidPayload(error.reason, str(error)) from error
        objects = found if isinstance(found, list) else [found]
        if not objects or not all(isinstance(one, dict) for one in objects):
            raise InvalidPayload("structure", "neither an object nor a list of objects")
        times_N = stamps([_at(one, self._time) for one in objects], self._unit)
        paths = _paths(fields)
        if paths is None:
            rows = [list(map(one.get, fields)) for one in objects]
        else:
            rows = [[_at(one, path) for path in paths] for one in objects]
        values_NC = columns(rows, len(fields))
        return Decoded(times_N, values_NC, self._identity(objects[0]))

    def _identity(self, first: dict[str, Any]) -> str | None:
        if self._id is None:
            return None
        return short_text(_at(first, self._id), "id")


def short_text(value: object, name: str) -> str:
    """Text (or a whole number) of a message that is stored with it: not empty, at most 200 bytes.

    Raises:
        InvalidPayload: it is not such a text; ``name`` is the reason.
    """
    text = str(value)
    if type(value) not in (str, int) or not 0 < len(text.encode("utf-8", "replace")) <= 200:
        raise InvalidPayload(name, f"{name} must be text of 1 to 200 bytes, or a whole number")
    if not text.isprintable():  # nor can a lone surrogate be stored
        raise InvalidPayload(name, f"{name} has characters that can't be printed")
    return text


def check_time_unit(unit: str) -> None:
    """Check that ``unit`` is a unit of time stamps.

    Raises:
        InvalidConfiguration: it is not one.
    """
    if unit not in NANOSECONDS:
        rule = f"must be one of {', '.join(NANOSECONDS)}"
        raise InvalidConfiguration(f"time_unit={unit}", rule, "Set the unit of the time stamps")


_Path = tuple[str | int, ...]


def _path_of(path: str) -> _Path:
    return tuple(int(key) if key.isdecimal() else key for key in path.split("."))


@lru_cache(maxsize=256)
def _paths(fields: tuple[str, ...]) -> tuple[_Path, ...] | None:
    """The paths of the fields; None if all are plain keys."""
    if not any("." in field for field in fields):
        return None
    return tuple(_path_of(field) for field in fields)


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """The value at ``path``; None if there is none."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value
