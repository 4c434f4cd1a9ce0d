"""What an event of a function must be, so that it can be stored, sent and read."""

import json
import math
from typing import Any, NoReturn

LONGEST_KIND, DEEPEST = 100, 32
_EXACT = 1 << 53


def why_unfit(kind: object, data: object) -> str:
    """Why an event can't be sent; empty: it can."""
    if not isinstance(kind, str) or not kind.isprintable() or not kind:
        return f"the kind {plain(kind)!r} of its event is not a printable word"
    if len(kind) > LONGEST_KIND:
        return f"the kind of its event has {len(kind)} characters; {LONGEST_KIND} are allowed"
    if not isinstance(data, dict):
        return f"the data of its event {kind} are no JSON object"
    if not is_flat(data):
        return f"the data of its event {kind} are nested deeper than {DEEPEST} times"
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:  # such as 1e999
        return f"the data of its event {kind} are no JSON"
    return ""


def data_of(text: str) -> Any:
    """The value of a JSON text, the same whatever language wrote it: 1.0 is 1.

    Raises:
        ValueError: it is no JSON, or nested too deep to read.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def plain(text: object, most: int = 1000) -> str:
    """One line, of characters that can be stored and shown."""
    if not isinstance(text, str):
        return f"a {type(text).__name__}"
    return "".join(one if one.isprintable() else " " for one in text[:most])


def _number(text: str) -> float | int:
    value = float(text)
    is_whole = math.isfinite(value) and value.is_integer() and abs(value) < _EXACT
    return int(value) if is_whole else value


def is_flat(value: object, deepest: int = DEEPEST) -> bool:
    """Whether no list or object in it is nested deeper, so that whatever writes it has room."""
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return deepest > 0 and all(is_flat(one, deepest - 1) for one in inside)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
