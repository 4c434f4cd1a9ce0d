"""``function.json``, the one description of a function: format 1 for an installed class, or 2.

``read_function`` reads both, strictly: whatever is missing, unknown or of another type is refused
in one line. It is signed with the component, so what a function may need, emit and use is known
before anything of it runs.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from fl_common.errors import InvalidData
from fl_common.functions.found import DEEPEST, is_flat
from fl_common.functions.specification.class_form import ClassFunction
from fl_common.functions.specification.sandboxed import SandboxedSpec

FUNCTION_FILE = "function.json"
"""The file of a function component that says what it is."""
_MOST_BYTES = 1 << 20


def read_function(content: bytes) -> ClassFunction | SandboxedSpec:
    """The specification in a file's content.

    Raises:
        InvalidData: it is not a function's specification.
    """
    if len(content) > _MOST_BYTES:
        _refuse(f"has {len(content):,} bytes; {_MOST_BYTES:,} are allowed", "Write less")
    try:
        fields = json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"is no JSON ({str(error)[:100]})", "Correct it")
    if not isinstance(fields, dict):
        _refuse("is no JSON object", "Write one: see docs/reference/functions.md")
    if not is_flat(fields):
        _refuse(f"is nested deeper than {DEEPEST} times", "Write it flatter")
    return SandboxedSpec.read(fields) if "format" in fields else _class(fields)


def _class(fields: Mapping[str, Any]) -> ClassFunction:
    return ClassFunction.read(fields)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, which has each name once: readers differ in which of two they take."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("it names something twice")
    return fields


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"it has {constant}")


def _refuse(rule: str, remedy: str) -> NoReturn:
    raise InvalidData(FUNCTION_FILE, rule, remedy)
