"""``cases.jsonl``: events in order, and what a function must find in each.

A line is an object: ``given``, an event; ``expect``, the events that the function emits (``kind``
and ``data``), or ``fails``, words of the failure that it must end with; ``infers``, what it asks
the model, in order, each with the ``shape`` and what that ``gives``, or why it ``fails``. The
function remembers from line to line, as it does for one stream; ``anew: true`` lets it begin again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fl_common.errors import BadInput, InvalidData
from fl_common.functions.asked import Model, Numbers, no_model
from fl_common.functions.events import Event, FunctionEvent, event_of
from fl_common.functions.found import DEEPEST, is_flat
from fl_common.functions.sandbox.outcome import Outcome

CASES = "cases.jsonl"
_FIELDS = {"given", "expect", "fails", "anew", "infers"}
_MOST_BYTES = 16 << 20
_ROUNDING = 1e-6
_NEAR = 1e-4
"""How near a model's answers must be to those that were recorded, perhaps on another machine."""
_REMEDY = 'Give such as {"given": {"tick": {"time_ns": 0}}, "expect": []}'


State = Mapping[str, str]
"""What a function remembers of one stream."""


class OpenFunction(Protocol):
    """A function that can be called; one thread may do so."""

    def call(self, event: Event, state: State, model: Model = no_model) -> Outcome:
        """What it finds in an event, and remembers after it. Of a shape: its window.

        ``model`` answers what it asks.
        """
        ...


@dataclass(frozen=True)
class Recorded:
    """What a model ``gives`` for windows of this ``shape``; None: it ``fails``, and why."""

    shape: tuple[int, ...]
    gives: Sequence[float] | None
    fails: str = ""


@dataclass(frozen=True)
class Case:
    """A line: an event, what is found in it, or words of the failure; after a new start if so."""

    line: int
    given: Event
    expect: Sequence[Mapping[str, Any]]
    fails: str | None
    anew: bool
    infers: Sequence[Recorded] = ()


@dataclass(frozen=True)
class Tried:
    """A case, what came of it, and whether that is as expected; ``otherwise``: not as it asked."""

    case: Case
    outcome: Outcome
    fits: bool
    otherwise: str = ""


class _Recording:
    """The model of a case: answers what was recorded; ``model``, if there is one, in its place."""

    def __init__(self, case: Case, model: Model | None) -> None:
        self._model, self._left, self.otherwise = model, list(case.infers), ""

    def __call__(self, windows: Numbers) -> Numbers:
        """The next answer. Raises InvalidData where that is a failure, or there is none."""
        asked = f"asks the model about {' x '.join(map(str, windows.shape))}"
        if not self._left:
            raise self._other(f"{asked}, which the case does not know")
        recorded = self._left.pop(0)
        if recorded.shape != windows.shape:
            wanted = " x ".join(map(str, recorded.shape))
            raise self._other(f"{asked}, where the case has {wanted}")
        if recorded.gives is None:
            raise InvalidData(recorded.fails, "", "")
        if self._model is None:
            import numpy as np  # inside of the wall

            return np.asarray(recorded.gives, np.float32)
        answers = self._model(windows)
        shown = [round(float(one), 6) for one in answers.ravel()]
        if not _is_near(shown, recorded.gives):
            self._other(f"{asked}: the model gives {shown}, where the case has another answer")
        return answers

    def ended(self) -> str:
        """In what it asked otherwise than the case has it; empty: in nothing."""
        left = f"asks the model {len(self._left)} times less" if self._left else ""
        return self.otherwise or left

    def _other(self, words: str) -> InvalidData:
        self.otherwise = self.otherwise or words
        return InvalidData("the function", words, "Record it in the case")


def _is_near(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    pairs = zip(ours, theirs, strict=False)
    near = (math.isclose(one, other, rel_tol=_NEAR, abs_tol=_NEAR) for one, other in pairs)
    return len(ours) == len(theirs) and all(near)


def try_cases(
    function: OpenFunction, cases: Sequence[Case], model: Model | None = None
) -> list[Tried]:
    """Each case, in order; what the function remembers goes on from one to the next.

    What it asks is answered as was recorded; with ``model``, by that, which must answer alike.
    """
    states: dict[str, State] = {}
    tried = []
    for case in cases:
        if case.anew:
            states.clear()
        recording = _Recording(case, model)
        outcome = function.call(case.given, states.get(case.given.stream, {}), recording)
        states[case.given.stream] = outcome.state
        otherwise = recording.ended()
        fits = _fits(case, outcome) and not otherwise
        tried.append(Tried(case, outcome, fits, otherwise))
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
    infers = _infers(where, fields.get("infers", []))
    return Case(number, given, expect or [], fails, anew, infers)


def _infers(where: str, given: Any) -> list[Recorded]:
    """What is recorded of a model. Raises InvalidData."""
    if not isinstance(given, list) or not all(map(_is_recorded, given)):
        remedy = 'Give such as "infers": [{"shape": [1, 50, 6], "gives": [0.9, 0.1]}]'
        rule = "must have infers that are a list, each a shape and what it gives, or fails"
        raise InvalidData(where, rule, remedy)
    return [Recorded(tuple(one["shape"]), one.get("gives"), one.get("fails", "")) for one in given]


def _is_recorded(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() not in ({"shape", "gives"}, {"shape", "fails"}):
        return False
    shape, gives = value["shape"], value.get("gives", [])
    are_sizes = isinstance(shape, list) and all(type(one) is int and one > 0 for one in shape)
    are_numbers = isinstance(gives, list) and all(type(one) in (int, float) for one in gives)
    return are_sizes and are_numbers and isinstance(value.get("fails", ""), str)


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
