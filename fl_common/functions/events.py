"""What a function is given, and what it finds: the contract's records, as in ``contract.wit``.

Times are nanoseconds since 1970. A ``stream`` is such as one of several machines; empty where a box
has only one.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from fl_common.errors import InvalidData

CLASSIFICATION = "classification"
_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Predicted:
    """A model's answer for one window: a number in ``values`` for each of ``names``.

    What the numbers are, the ``kind`` of the task says: probabilities of labels, a number, the next
    readings, a score and its threshold.
    """

    start_ns: int
    """First instant of the window."""
    end_ns: int
    """First instant after the window."""
    names: tuple[str, ...]
    values: tuple[float, ...]
    stream: str = ""
    kind: str = CLASSIFICATION
    word: str | None = None
    """The answer in a word: see ``label``. None: the most probable of ``names``."""
    said: str = ""
    """The answer in words, for a person."""
    model: str = ""
    """The model's SHA-256, in hexadecimal digits."""

    @property
    def label(self) -> str:
        """The label, several joined by ``;``; empty where the answer is a number."""
        if self.word is not None:
            return self.word
        return self.names[self.values.index(max(self.values))]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names, which are labels where the task has some."""
        return self.names

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The values, which are probabilities where the task has labels."""
        return self.values

    def probability(self, label: str) -> float:
        """The value of the name ``label``; 0 for one that the model does not have."""
        return dict(zip(self.names, self.values, strict=True)).get(label, 0.0)

    def to_fields(self) -> dict[str, Any]:
        """As JSON values; see ``from_fields``."""
        return asdict(self)

    @staticmethod
    def from_fields(values: Mapping[str, Any]) -> "Predicted":
        """What ``to_fields`` has given, also that of version 0.1 before there were kinds."""
        given = dict(values)
        names, numbers = given.pop("labels", None), given.pop("probabilities", None)
        given["names"] = tuple(given.get("names", names))
        given["values"] = tuple(given.get("values", numbers))
        return Predicted(**given)


class _Instant:
    """What begins and ends at its ``time_ns``, as other events do at two times."""

    __slots__ = ()
    time_ns: int

    @property
    def start_ns(self) -> int:
        """Its time."""
        return self.time_ns

    @property
    def end_ns(self) -> int:
        """Its time."""
        return self.time_ns


@dataclass(frozen=True, slots=True)
class Reading(_Instant):
    """What a sensor measured at one instant: a number for each of its channels."""

    sensor: str
    time_ns: int
    values: tuple[float, ...]
    """NaN where it lacks a channel."""
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Readings of some time: ``values`` are all of the first instant, then all of the next."""

    start_ns: int
    end_ns: int
    channels: tuple[str, ...]
    values: Sequence[float]
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the function ``function``, its ``data`` as JSON."""

    start_ns: int
    end_ns: int
    function: str
    kind: str
    data: str
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Tick(_Instant):
    """A time at which nothing need have happened."""

    time_ns: int
    stream: str = ""


_EACH_S = 60


def period_s(of: str) -> int:
    """The seconds between the ticks that are named so; ``*``: a minute."""
    return _EACH_S if of == "*" else int(of)


Event = Reading | Window | Predicted | Happening | Tick
_BY_NAME: Mapping[str, type[Any]] = {
    "reading": Reading,
    "window": Window,
    "prediction": Predicted,
    "happening": Happening,
    "tick": Tick,
}
EVENTS = tuple(_BY_NAME)
"""The names of the kinds of events, as in the contract."""
_NAMES = {kind: name for name, kind in _BY_NAME.items()}
_LISTS = ("names", "values", "channels")
_SHOWN = {"word": "label"}
"""Fields that people know by another name."""
_SPAN = {"start_ns": 0, "end_ns": 1}
_EXAMPLES: Mapping[str, Any] = {
    "reading": {"sensor": "door", "time_ns": 0, "values": [21.5]},
    "window": {**_SPAN, "channels": ["x"], "values": [0.5]},
    "prediction": {**_SPAN, "names": ["walk", "rest"], "values": [0.9, 0.1]},
    "happening": {**_SPAN, "function": "alarm", "kind": "alarm-raised", "data": "{}"},
    "tick": {"time_ns": 0},
}
_FIELDS = {shown: name for name, shown in _SHOWN.items()}


def name_of(event: Event) -> str:
    """The name of an event's kind."""
    return _NAMES[type(event)]


def event_fields(event: Event) -> dict[str, Any]:
    """An event as JSON values, under the name of its kind: ``{"tick": {"time_ns": 0}}``."""
    shown = {_SHOWN.get(n, n): v for n, v in asdict(event).items() if n not in _LISTS}
    lists = {name: list(getattr(event, name)) for name in _LISTS if hasattr(event, name)}
    return {name_of(event): {**shown, **lists}}


def kind_of_event(event: Event) -> str:
    """The name of its kind, as in the contract."""
    return _NAMES[type(event)]


def to_stored(event: Event) -> dict[str, Any]:
    """An event as JSON values, for what reads them by ``from_stored``."""
    given = {field.name: getattr(event, field.name) for field in fields(event)}
    if isinstance(event, Predicted | Reading | Window):
        given["values"] = [_stored(value) for value in event.values]
    return {_NAMES[type(event)]: given}


def _stored(value: float) -> float | str | None:
    """A number as JSON, which has neither NaN nor infinity."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _number(stored: float | str | None) -> float:
    """What ``_stored`` has given."""
    return math.nan if stored is None else float(stored) if isinstance(stored, str) else stored


def from_stored(fields: Mapping[str, Any]) -> Event:
    """What ``to_stored`` has given; or a prediction of version 0.1, before there were others."""
    ((kind, given),) = fields.items() if len(fields) == 1 else (("prediction", fields),)
    if "values" in given:
        given = {**given, "values": tuple(map(_number, given["values"]))}
    if kind == "prediction":
        return Predicted.from_fields(given)
    values = {**given, **{name: tuple(given[name]) for name in _LISTS if name in given}}
    event: Event = _BY_NAME[kind](**values)
    return event


def event_of(given: Any) -> Event:
    """What ``event_fields`` has given, or a person has written.

    Raises:
        InvalidData: it is no event.
    """
    kind, values = next(iter(given.items())) if _is_one(given) else (None, None)
    made = _BY_NAME.get(str(kind))
    if made is None or not isinstance(values, dict):
        raise _no_event(given, f"must be an object of one of {', '.join(EVENTS)}")
    values = {_FIELDS.get(name, name): value for name, value in values.items()}
    known = {field.name for field in fields(made)}
    lists = {name: values[name] for name in _LISTS if name in values}
    if unknown := values.keys() - known:
        raise _no_event(given, f"has {', '.join(sorted(unknown))}, and no {kind} has")
    needed = {field.name for field in fields(made) if field.default is MISSING}
    if missing := sorted(needed - values.keys()):
        raise _no_event(given, f"lacks {', '.join(missing)}")
    if any(not isinstance(one, list | tuple) for one in lists.values()):
        raise _no_event(given, "must have lists for names, values and channels")
    event: Event = made(**{**values, **{name: tuple(one) for name, one in lists.items()}})
    if rule := _why_unfit(event):
        raise _no_event(given, rule)
    return event


def _why_unfit(event: Event) -> str:
    """Which field has a wrong type; empty: none."""
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "values":
            fit = all(map(_is_number, value))
        elif field.name in _LISTS:
            fit = all(map(_is_text, value))
        elif field.name.endswith("_ns"):
            fit = isinstance(value, int) and -(1 << 63) <= value < 1 << 63
        else:
            fit = _is_text(value) or (field.name == "word" and value is None)
        if not fit:
            return f"has a {_SHOWN.get(field.name, field.name)} of another type"
    if isinstance(event, Predicted) and (
        len(event.names) != len(event.values) or (event.word is None and not event.names)
    ):
        return "must have a value for each name"
    return ""


def _is_number(value: object) -> bool:
    """Whether it is one that a component can be given."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return isinstance(value, float)


def _is_text(value: object) -> bool:
    """Whether it is text that a component can be given: of characters, and no half of one."""
    return isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value)


def _is_one(given: Any) -> bool:
    return isinstance(given, dict) and len(given) == 1


def _no_event(given: Any, rule: str) -> InvalidData:
    shown = json.dumps(given, default=str)[:_MOST_SHOWN]
    kind = next((one for one in EVENTS if _is_one(given) and one in given), "prediction")
    remedy = f"Give such as {json.dumps({kind: _EXAMPLES[kind]})}"
    return InvalidData(f"the event {shown}", rule, remedy)


@dataclass(frozen=True, slots=True)
class FunctionEvent:
    """An event from a function: a ``kind`` such as ``label-change``, and JSON ``data``."""

    kind: str
    data: Mapping[str, Any]
