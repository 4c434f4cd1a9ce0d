"""Paths into decoded objects: keys joined by dots, a whole number for an index of a list."""

from functools import lru_cache
from typing import Any

from fl_client.sensors import InvalidPayload
from fl_common.configuration.printable import hidden

_LARGEST = 10**200  # Python refuses to write far longer numbers

Path = tuple[tuple[str, int | None], ...]
"""Each key, and the index that it is in a list; None if it is no whole number."""


def path_of(path: str) -> Path:
    """The keys of ``path``, such as ``imu.acc.0``."""
    return tuple((key, int(key) if key.isdecimal() else None) for key in path.split("."))


@lru_cache(maxsize=256)
def paths_of(fields: tuple[str, ...]) -> tuple[Path, ...] | None:
    """The paths of the fields; None if all are plain keys."""
    if not any("." in field for field in fields):
        return None
    return tuple(path_of(field) for field in fields)


def at(value: Any, path: Path) -> Any:
    """The value at ``path``, whose last key may contain dots itself; None if there is none."""
    whole = value
    for key, index in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and index is not None and index < len(value):
            value = value[index]
        else:
            value = None
            break
    return _with_dots(whole, path) if value is None and len(path) > 1 else value


def _with_dots(value: Any, path: Path) -> Any:
    for place, (key, _) in enumerate(path):
        if not isinstance(value, dict):
            return None
        rest = ".".join(key for key, _ in path[place:])
        if rest in value:
            return value[rest]
        value = value.get(key)
    return None


def plain_text(value: object) -> str:
    """A value as JSON writes it, a text without its quotes; empty if it is no single value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST else ""
    return str(value) if isinstance(value, str | float) else ""


def short_text(value: object, name: str) -> str:
    """Text (or a whole number) of a message that is stored with it: not empty, at most 200 bytes.

    Raises:
        InvalidPayload: it is not such a text; ``name`` is the reason.
    """
    text = plain_text(value) if type(value) in (str, int) else ""
    if not 0 < len(text.encode("utf-8", "replace")) <= 200:
        raise InvalidPayload(name, f"{name} must be text of 1 to 200 bytes, or a whole number")
    if found := hidden(text):  # nor can a lone surrogate be stored
        raise InvalidPayload(name, f"{name} has the character {found}")
    return text
