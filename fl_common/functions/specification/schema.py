"""The JSON schemas of a function's events."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from fl_common.errors import InvalidData
from fl_common.functions.found import plain


class EventSchemas:
    """A schema for each kind of event that a function may emit; no other kind is one.

    Raises:
        InvalidData: one is no schema, or refers to another document.
    """

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        for kind, schema in schemas.items():
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                raise InvalidData(
                    f"emits.{plain(kind, 40)} of the function",
                    f"is no JSON schema ({plain(error.message, 200)})",
                    'Give such as {"type": "object", "required": ["label"]}, or {} for any object',
                ) from None
            if "$ref" in str(schema):
                raise InvalidData(
                    f"emits.{plain(kind, 40)} of the function",
                    "refers to another schema, and nothing is fetched",
                    "Write it out",
                )

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
