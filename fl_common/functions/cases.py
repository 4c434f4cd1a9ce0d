"""``cases.jsonl``: events in order, and what a function must find in each.

A line is an object: ``given``, an event; ``expect``, the events that the function emits (``kind``
and ``data``), or ``fails``, words of the failure that it must end with. The function remembers from
line to line, as it does for one stream; ``anew: true`` lets it begin again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fl_common.errors import BadInput, InvalidData
from fl_common.functions.events import Event, FunctionEvent, event_of
from fl_common.functions.found import DEEPEST, is_flat
from fl_common.functions.sandbox.outcome import Outcome

CASES = "cases.jsonl"
_FIELDS = {"given", "expect", "fails", "anew"}
_MOST_BYTES = 16 << 20
_ROUNDING = 1e-6
_REMEDY = 'Give such as {"given": {"tick": {"time_ns": 0}}, "expect": []}'


State = Mapping[str, str]
"""What a function remembers of one stream."""


class OpenFunction(Protocol):
    """A function that can be called; one thread may do so."""

    def call(self, event: Event, state: State) -> Outcome:
        """What it finds in an event, and remembers after it. Of a shape: its window."""
        ...


@dataclass(frozen=True)
class Case:
    """A line: an event, what is found in it, or words of the failure; after a new start if so."""

    line: int
    given: Event
    expect: Sequence[Mapping[str, Any]]
    fails: str | None
    anew: bool


@dataclass(frozen=True)
class Tried:
    """A case, what came of it, and whether that is as expected."""

    case: Case
    outcome: Outcome
    fits: bool


def try_cases(function: OpenFunction, cases: Sequence[Case]) -> list[Tried]:
    """Each case, in order; what the function remembers goes on from one to the next."""
    states: dict[str, State] = {}
    tried = []
    for case in cases:
        if case.anew:
            states.clear()
        outcome = function.call(case.given, states.get(case.given.stream, {}))
        states[case.given.stream] = outcome.state
        tried.append(Tried(case, outcome, _fits(case, outcome)))
    return tried


def plain_events(events: Sequence[FunctionEvent]) -> list[dict[str, Any]]:
    """Events as JSON values."""
    return [{"kind": event.kind, "data": event.data} for event in events]


def written(tried: Sequence[Tried]) -> bytes:
    """All that must be the same each time, as JSON: events, states, failures and logs."""
    outcomes = [one.outcome for one in tried]
    values = [
        [plain_events(o.events), dict(o.state), o.failure and o.failure.text, list(o.lines)]
        for o in outcomes
    ]
    return json.dumps(values).encode()


def _fits(case: Case, outcome: Outcome) -> bool:
    if case.fails is not None:
        return outcome.failure is not None and case.fails in outcome.failure.text
    return outcome.failure is None and agrees(plain_events(outcome.events), case.expect)


def read_cases(path: Path) -> list[Case]:
    """The cases in a file.

    Raises:
        InvalidData: it can't be read, has none, or a line is none.
    """
    try:
        text = path.read_bytes()[: _MOST_BYTES + 1]
        lines = text.decode("utf-8").split("\n")  # a string may have other separators
    except OSError as error:
        remedy = "Write one event a line: docs/reference/fl-fn.md"
        raise InvalidData(f"{path}", f"can't be read ({error.strerror})", remedy) from None
    except UnicodeDecodeError:
        raise InvalidData(f"{path}", "is no UTF-8", "Save it as UTF-8") from None
    if len(text) > _MOST_BYTES:
        raise InvalidData(f"{path}", f"has more than {_MOST_BYTES:,} bytes", "Keep fewer cases")
    cases = [_case(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not cases:
        raise InvalidData(f"{path}", "has no case", _REMEDY)
    return cases


def _case(path: Path, number: int, line: str) -> Case:
    where = f"{path}:{number}"
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidData(where, f"is no JSON ({error})", _REMEDY) from None
    if not is_flat(fields):
        raise InvalidData(where, f"is nested deeper than {DEEPEST} times", "Write it flatter")
    if not isinstance(fields, dict) or "given" not in fields:
        raise InvalidData(where, "must be an object with what is given", _REMEDY)
    if unknown := sorted(fields.keys() - _FIELDS):
        rule = f"has {', '.join(unknown)}, and no case has"
        raise InvalidData(where, rule, f"A case has {', '.join(sorted(_FIELDS))}")
    expect, fails, anew = fields.get("expect"), fields.get("fails"), fields.get("anew", False)
    if (expect is None) == (fails is None):
        raise InvalidData(where, "must have either expect or fails", _REMEDY)
    is_fit = expect is None or (isinstance(expect, list) and all(map(_is_event, expect)))
    if not is_fit or not isinstance(fails, str | None) or not isinstance(anew, bool):
        rule = "must expect a list of events, each a kind and data, or fail with words"
        raise InvalidData(where, rule, 'Give such as "expect": [{"kind": "peak", "data": {}}]')
    try:
        given = event_of(fields["given"])
    except BadInput as error:
        raise InvalidData(f"{where}: {error.value}", error.rule, error.remedy) from None
    return Case(number, given, expect or [], fails, anew)


def _is_event(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"kind", "data"}


def agrees(found: Any, expected: Any) -> bool:
    """Whether two JSON values are the same, but for the rounding of numbers to 32 bits."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            agrees(found[name], expected[name]) for name in found
        )
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(agrees, found, expected))
    return bool(found == expected)
