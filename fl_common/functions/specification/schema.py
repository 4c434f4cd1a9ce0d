"""The JSON schemas of a function's events: a part of JSON Schema (2020-12) that always ends soon.

Somebody else has written them, and they are applied outside of fuel. So there is none of what may
take long for small data (``pattern``, ``uniqueItems``), and nothing that refers elsewhere: whatever
a ``$ref`` or ``$dynamicRef`` names would be fetched, from a network or a file.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from fl_common.errors import InvalidData
from fl_common.functions.found import plain

_OF_ONE = {"items", "additionalProperties", "contains", "propertyNames", "not"}
_OF_LISTS = {"prefixItems", "anyOf", "oneOf", "allOf"}
_OF_NAMES = {"properties"}
_OF_VALUES = {
    "type", "enum", "const", "required", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
    "minContains", "maxContains", "minProperties", "maxProperties", "title", "description",
    "default", "examples", "format",
}  # fmt: skip
"""Keywords with one schema, with several, with one for each name, and with other values."""
_KNOWN = _OF_ONE | _OF_LISTS | _OF_NAMES | _OF_VALUES
_MOST_BYTES = 64 << 10


class EventSchemas:
    """A schema for each kind of event that a function may emit; no other kind is one.

    Raises:
        InvalidData: one is no schema, or has a keyword that is not taken; or all are too large.
    """

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        if (size := len(json.dumps(schemas))) > _MOST_BYTES:
            raise InvalidData(
                "emits of the function", f"has {size:,} bytes", f"Stay below {_MOST_BYTES:,}"
            )
        for kind, schema in schemas.items():
            _check(f"emits.{plain(kind, 40)} of the function", schema)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of events that have a schema."""
        return frozenset(self._schemas)

    def why_unfit(self, kind: str, data: Any) -> str:
        """Why an event is not as the schemas say; empty: it is."""
        validator = self._validators.get(kind)
        if validator is None:
            return f"its emits do not name the event {plain(kind, 40)}"
        error = next(iter(validator.iter_errors(data)), None)
        return "" if error is None else f"its event {kind}: {plain(error.message, 200)}"

    @cached_property
    def _validators(self) -> Mapping[str, Draft202012Validator]:
        return {kind: Draft202012Validator(schema) for kind, schema in self._schemas.items()}


def _check(what: str, schema: Any) -> None:
    if unknown := sorted({word for word in _keywords(schema) if word not in _KNOWN}):
        raise InvalidData(
            what,
            f"has the keyword {plain(unknown[0], 40)}, which no schema of a function may have",
            f"Write it out with these: {', '.join(sorted(_KNOWN))}",
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidData(
            what,
            f"is no JSON schema ({plain(error.message, 200)})",
            'Give such as {"type": "object", "required": ["label"]}, or {} for any object',
        ) from None


def _keywords(schema: Any) -> Iterator[str]:
    """Those of a schema, and of the schemas in it."""
    if not isinstance(schema, dict):
        return
    yield from schema
    for word, value in schema.items():
        inside: list[Any] = []
        if word in _OF_ONE:
            inside = [value]
        elif word in _OF_LISTS and isinstance(value, list):
            inside = value
        elif word in _OF_NAMES and isinstance(value, dict):
            inside = [*value.values()]
        for one in inside:
            yield from _keywords(one)
