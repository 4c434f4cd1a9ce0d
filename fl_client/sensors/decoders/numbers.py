"""Checked conversion of payloads' values to columns of numbers."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import InvalidPayload
from fl_common.errors import InvalidConfiguration

Texts = Mapping[str, Mapping[str, float | None]]
"""For a field, the numbers that its texts stand for; None: the value is missing."""

_NUMBERS = frozenset({int, float, type(None)})
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST = 400
_SWITCHED = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


def checked_texts(texts: Mapping[str, Mapping[Any, object]]) -> Texts:
    """A declared mapping of texts: for each field a number, or null, for each text.

    Raises:
        InvalidConfiguration: a value is neither.
    """
    found: dict[str, dict[str, float | None]] = {}
    for field, numbers in texts.items():
        for text, number in numbers.items():
            if number is not None and type(number) not in (int, float):
                rule, remedy = "must be a number, or null for missing", "Set such a value"
                raise InvalidConfiguration(f"texts.{field}.{text}={number}", rule, remedy)
        found[str(field)] = {
            str(text).lower() if isinstance(text, bool) else str(text): number  # type: ignore[misc]
            for text, number in numbers.items()
        }
    return found


def number_of(text: str) -> float | int | None:
    """The number that ``text`` is, as JSON or C would write it; None if it is not one."""
    text = text.strip()
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.isdecimal() else float(text)


def columns(
    rows: Sequence[Sequence[object]], fields: Sequence[str], texts: Texts
) -> NDArray[np.float64]:
    """Rows of values, None if missing, as numbers (N, C); NaN where missing.

    A boolean counts as 1 or 0, as do the texts true, false, on and off in any case; a number may be
    sent as text; ``texts`` come before these.

    Raises:
        InvalidPayload: a value is none of these.
    """
    for row in rows:
        if not _NUMBERS.issuperset(map(type, row)):
            rows = [
                [_value(value, field, texts) for value, field in zip(row, fields, strict=True)]
                for row in rows
            ]
            break
    try:
        return np.array(rows, np.float64).reshape(len(rows), len(fields))
    except (OverflowError, ValueError):
        raise InvalidPayload("number", "a number is too large") from None


def _value(value: object, field: str, texts: Texts) -> float | int | None:
    if type(value) in _NUMBERS:
        return value  # type: ignore[return-value]
    if isinstance(value, bool):
        return texts.get(field, {}).get(str(value).lower(), float(value))
    if isinstance(value, str):
        return _meant(value.strip(), field, texts.get(field, {}))
    if isinstance(value, Decimal) and not value.is_snan():
        return float(value)
    raise InvalidPayload("type", f"{field[:80]} is no number")


def _meant(text: str, field: str, known: Mapping[str, float | None]) -> float | int | None:
    if text in known:
        return known[text]
    if (number := number_of(text)) is not None:
        return number
    if text.lower() in _SWITCHED:
        return _SWITCHED[text.lower()]
    detail = f"{field[:80]} is a text that is no number: declare under texts what it stands for"
    raise InvalidPayload("type", detail)


def places(fields: Sequence[str], names: Sequence[str]) -> list[int]:
    """The index of each of ``fields`` among the ``names`` of a payload's columns.

    Raises:
        InvalidPayload: there is no such column, so no payload has the field.
    """
    if missing := sorted(set(fields) - set(names)):
        raise InvalidPayload("columns", f"there is no column {', '.join(missing)[:200]}")
    return [names.index(field) for field in fields]


def check_places(fields: Sequence[str], names: Sequence[str]) -> None:
    """Check at the start what ``places`` checks in each payload.

    Raises:
        InvalidConfiguration: a field is not one of the declared columns.
    """
    if missing := sorted(set(fields) - set(names)):
        rule = f"must be one of the decoder's columns ({', '.join(names)})"
        raise InvalidConfiguration(f"field={missing[0]}", rule, "Correct the name")
