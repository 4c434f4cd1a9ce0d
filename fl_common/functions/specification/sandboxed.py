"""Format 2 of ``function.json``: a function that runs in a sandbox, as source text or component.

    {"format": 2, "form": "python", "file": "function.py",
     "interface": "jointhedots:function@1.0", "world": "rule",
     "on": [{"prediction": "wearables"}], "labels": ["rest", "walk"],
     "needs": ["emit", "state"], "emits": {"alarm-raised": {"type": "object"}},
     "settings": {"above": 0.8}, "state_version": 1,
     "limits": {"fuel": 50000000, "memory_mb": 64, "milliseconds": 200, "events": 16,
                "event_bytes": 65536, "state_bytes": 65536, "host_calls": 1000},
     "on_failure": {"disable_after": {"failures": 10, "of_last": 100}}}

It needs no wasmtime, so that a cloud can read it, and judge it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fl_common.errors import BadInput, InvalidData
from fl_common.functions.found import plain
from fl_common.functions.limits import MOST, Limits
from fl_common.functions.specification.given import asked_in, given_on, refuse
from fl_common.functions.specification.schema import EventSchemas

INTERFACE = "jointhedots:function@1.0"
FORMS: Mapping[str, str] = {"python": ".py", "wasm": ".wasm"}
"""The forms, each with the ending of its file's name."""
WORLDS: Mapping[str, str] = {"rule": "handle", "shape": "transform"}
"""The worlds of the contract, each with the function that is called."""
NEEDS = ("emit", "state", "log", "infer")
_FIELDS = (
    "format", "form", "file", "interface", "world", "on", "labels", "needs", "emits", "settings",
    "state_version", "limits", "on_failure",
)  # fmt: skip
_MORE = {"asks"}
_EXAMPLE = "fl-fn new makes one; see docs/reference/functions.md"
MOST_OF_LAST = 10_000
"""Calls that a box looks back on: it keeps each failure among them."""
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class DisableAfter:
    """A function is left out after so many ``failures`` among the last ``of_last`` calls."""

    failures: int
    of_last: int


@dataclass(frozen=True)
class SandboxedSpec:
    """A function in a sandbox: see the module for the fields.

    ``labels`` are those of the model that it is made for; none: it asks for no labels. ``on`` are
    the kinds of events that it is given, each with the name of what they are of. ``asks`` is the
    network that ``infer`` asks; None: the box's own model.
    """

    form: str
    file: str
    world: str
    on: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    needs: frozenset[str]
    schemas: EventSchemas
    settings: str
    state_version: int
    limits: Limits
    disable_after: DisableAfter
    asks: str | None = None

    @staticmethod
    def read(fields: Mapping[str, Any]) -> "SandboxedSpec":
        """The specification in the values of a file.

        Raises:
            InvalidData: it is none, and why.
        """
        if fields["format"] != 2:
            refuse("format", fields["format"], "must be 2", "A class has no format (format 1)")
        if missing := [name for name in _FIELDS if name not in fields]:
            refuse("", ", ".join(missing), "is missing", _EXAMPLE)
        if unknown := sorted(fields.keys() - {*_FIELDS} - _MORE):
            refuse("", plain(", ".join(unknown), 100), "is not known", "Take it out")
        form, world = _one_of(fields, "form", FORMS), _one_of(fields, "world", WORLDS)
        _one_of(fields, "interface", (INTERFACE,))
        needs = _words(fields, "needs", NEEDS)
        if world == "shape" and (needs or fields["emits"]):
            refuse("needs", sorted(needs), "must be empty for a shape, which is pure",
                   'Set "needs": [] and "emits": {}')  # fmt: skip
        return SandboxedSpec(
            form,
            _file(fields["file"], FORMS[form]),
            world,
            given_on(fields["on"], world),
            _labels(fields["labels"]),
            frozenset(needs),
            _schemas(fields["emits"], needs),
            _settings(fields["settings"]),
            _whole("state_version", fields["state_version"]),
            _limits(fields["limits"]),
            _disable_after(fields["on_failure"]),
            _asks(fields, needs),
        )

    @property
    def called(self) -> str:
        """The function of the component that is called."""
        return WORLDS[self.world]

    def check_labels(self, labels: tuple[str, ...]) -> None:
        """Raise InvalidData if it is made for a model with other labels than ``labels``."""
        if self.labels and self.labels != labels:
            raise InvalidData(
                f"a function for the labels {', '.join(self.labels)[:200]}",
                f"is not for this site's, {', '.join(labels)[:200]}",
                "Publish one for the labels of this site's task, in their order, or for none",
            )


def _one_of(fields: Mapping[str, Any], name: str, allowed: Any) -> str:
    value = fields[name]
    if not isinstance(value, str) or value not in allowed:
        refuse(name, value, f"must be {' or '.join(allowed)}", "Correct it")
    return value


def _words(fields: Mapping[str, Any], name: str, allowed: Any) -> tuple[str, ...]:
    value = fields[name]
    is_fit = isinstance(value, list) and all(isinstance(x, str) and x in allowed for x in value)
    if not is_fit or len({*value}) != len(value):
        refuse(name, value, f"must be a list of {', '.join(allowed)}, each once", "Correct it")
    return tuple(value)


def _file(value: Any, ending: str) -> str:
    fit = isinstance(value, str) and _FILE.fullmatch(value) and value.endswith(ending)
    if not fit or value == "function.json":
        refuse("file", value, f"must be a file's name that ends with {ending}",
               "Name the file beside function.json")  # fmt: skip
    return str(value)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        refuse("labels", value, "must be a list of strings", "Give the model's labels, or []")
    return tuple(value)


def _schemas(value: Any, needs: tuple[str, ...]) -> EventSchemas:
    if not isinstance(value, dict):
        refuse("emits", value, "must be an object: a JSON schema for each kind of event",
               'Give such as {"alarm-raised": {"type": "object"}}')  # fmt: skip
    if bool(value) != ("emit" in needs):
        refuse("emits", sorted(value), "must name events exactly if it needs emit",
               'Add "emit" to needs, or take the events out')  # fmt: skip
    return EventSchemas(value)


def _settings(value: Any) -> str:
    if not isinstance(value, dict):
        refuse("settings", value, "must be an object", "Give {} where there is nothing to set")
    return json.dumps(value)


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        refuse(name, value, "must be a whole number of at least 1", "Correct it")
    return value


def _limits(value: Any) -> Limits:
    names = Limits.__dataclass_fields__.keys()
    if not isinstance(value, dict) or value.keys() != names:
        refuse("limits", value, f"must have {', '.join(names)}, and nothing else", _EXAMPLE)
    try:
        limits = Limits(**value)
    except BadInput as error:
        refuse(error.value, "", error.rule, error.remedy)
    for name, most in MOST.items():
        if (asked := getattr(limits, name)) > most:
            refuse(f"limits.{name}", asked, f"can be {most:,} at most", "Lower it")
    return limits


def _disable_after(value: Any) -> DisableAfter:
    after = value.get("disable_after") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(after, dict) or after.keys() != {"failures", "of_last"}:
        refuse("on_failure", value, "must say after how many failures it is left out",
               'Give {"disable_after": {"failures": 10, "of_last": 100}}')  # fmt: skip
    failures = _whole("on_failure.disable_after.failures", after["failures"])
    of_last = _whole("on_failure.disable_after.of_last", after["of_last"])
    if failures > of_last:
        refuse("on_failure.disable_after", after, "must have failures of at most of_last",
               "Correct it")  # fmt: skip
    if of_last > MOST_OF_LAST:
        refuse("on_failure.disable_after.of_last", of_last, f"can be {MOST_OF_LAST:,} at most",
               "Lower it")  # fmt: skip
    return DisableAfter(failures, of_last)


def _asks(fields: Mapping[str, Any], needs: tuple[str, ...]) -> str | None:
    """The network that ``infer`` asks."""
    asked = asked_in(fields, many=False)
    if asked and "infer" not in needs:
        refuse("asks", asked[0], "is asked by infer, which its needs do not name",
               'Add "infer" to needs, or take asks out')  # fmt: skip
    return asked[0] if asked else None
